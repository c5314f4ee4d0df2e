/**
 * Reads a frame's body without building anything from it, and says whether it
 * may be decoded: one map, bounded in depth and entries, text keys that stand
 * once, no extension types. A peer that is broken, or not ours, costs one pass
 * over bytes that are already here. `protocol/README.md` in core lists the
 * verdicts; `python/src/headrace/frames.py` reaches the same ones.
 */
import { isUtf8 } from "node:buffer"

export const maximumDepth = 32
export const maximumEntries = 1024 * 1024

export type FrameFault =
  | "frame-too-large"
  | "body-truncated"
  | "not-a-map"
  | "too-deep"
  | "too-many-entries"
  | "extension-type"
  | "reserved-byte"
  | "key-not-text"
  | "duplicate-key"
  | "text-not-utf8"
  | "trailing-bytes"

/** An open container: how many values it still wants, and the keys of a map so far. */
interface Open {
  left: number
  readonly keys: Set<string> | undefined
  expectsKey: boolean
}

type Token =
  | { readonly kind: "map" | "array"; readonly head: number; readonly count: number }
  | { readonly kind: "text" | "other"; readonly head: number; readonly bytes: number }
  | { readonly kind: "extension-type" | "reserved-byte" | "body-truncated" }

const isMapByte = (byte: number): boolean => (byte & 0xf0) === 0x80 || byte === 0xde || byte === 0xdf

const isTextByte = (byte: number): boolean => (byte & 0xe0) === 0xa0 || (byte >= 0xd9 && byte <= 0xdb)

/** Sizes of the fixed-width kinds 0xca…0xd3: floats, unsigned and signed integers. */
const widths = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8] as const

/** The kinds whose length or count follows in 1, 2 or 4 bytes. */
const sized = new Map<number, readonly [kind: "map" | "array" | "text" | "other", width: 1 | 2 | 4]>([
  [0xc4, ["other", 1]],
  [0xc5, ["other", 2]],
  [0xc6, ["other", 4]],
  [0xd9, ["text", 1]],
  [0xda, ["text", 2]],
  [0xdb, ["text", 4]],
  [0xdc, ["array", 2]],
  [0xdd, ["array", 4]],
  [0xde, ["map", 2]],
  [0xdf, ["map", 4]]
])

const tokenOf = (kind: "map" | "array" | "text" | "other", head: number, size: number): Token =>
  kind === "map" || kind === "array" ? { kind, head, count: size } : { kind, head, bytes: size }

const read = (body: Buffer, at: number): Token => {
  const byte = body[at]
  if (byte === undefined) return { kind: "body-truncated" }
  if (byte < 0x80 || byte >= 0xe0) return tokenOf("other", 1, 0)
  if (byte < 0x90) return tokenOf("map", 1, byte & 0x0f)
  if (byte < 0xa0) return tokenOf("array", 1, byte & 0x0f)
  if (byte < 0xc0) return tokenOf("text", 1, byte & 0x1f)
  if (byte === 0xc1) return { kind: "reserved-byte" }
  if ((byte >= 0xc7 && byte <= 0xc9) || (byte >= 0xd4 && byte <= 0xd8)) return { kind: "extension-type" }
  const width = widths[byte - 0xca]
  if (width !== undefined) return tokenOf("other", 1, width)
  const variable = sized.get(byte)
  if (variable === undefined) return tokenOf("other", 1, 0)
  const [kind, bytes] = variable
  return at + 1 + bytes > body.length
    ? { kind: "body-truncated" }
    : tokenOf(kind, 1 + bytes, body.readUIntBE(at + 1, bytes))
}

/** The innermost container that still wants something; those that are full are closed. */
const innermost = (open: Array<Open>): Open | undefined => {
  while (open.at(-1)?.left === 0) open.pop()
  return open.at(-1)
}

/** The first violation from left to right, or undefined: the body may be decoded. */
export const faultOf = (body: Buffer): FrameFault | undefined => {
  const first = body[0]
  if (first === undefined) return "body-truncated"
  if (!isMapByte(first)) return "not-a-map"
  const open: Array<Open> = []
  let entries = 0
  let at = 0
  do {
    const within = innermost(open)
    const isKey = within?.expectsKey === true
    const byte = body[at]
    if (isKey && byte !== undefined && !isTextByte(byte)) return "key-not-text"
    const token = read(body, at)
    if (!("head" in token)) return token.kind
    at += token.head
    if (within !== undefined) advance(within)
    if ("count" in token) {
      if (open.length === maximumDepth) return "too-deep"
      entries += token.count
      if (entries > maximumEntries) return "too-many-entries"
      open.push(opened(token))
      continue
    }
    if (at + token.bytes > body.length) return "body-truncated"
    if (token.kind === "text") {
      const text = body.subarray(at, at + token.bytes)
      if (!isUtf8(text)) return "text-not-utf8"
      if (isKey && within?.keys !== undefined && !isNew(within.keys, text)) return "duplicate-key"
    }
    at += token.bytes
  } while (innermost(open) !== undefined)
  return at < body.length ? "trailing-bytes" : undefined
}

/** One key or value of `container` is being read; a pair counts as one, at its value. */
const advance = (container: Open): void => {
  if (container.expectsKey) container.expectsKey = false
  else {
    container.left -= 1
    container.expectsKey = container.keys !== undefined
  }
}

const opened = (token: { readonly kind: "map" | "array"; readonly count: number }): Open => ({
  left: token.count,
  keys: token.kind === "map" ? new Set() : undefined,
  expectsKey: token.kind === "map"
})

/** Latin-1 gives every byte string a text of its own, so equal texts are equal bytes. */
const isNew = (keys: Set<string>, text: Buffer): boolean => {
  const size = keys.size
  return keys.add(text.toString("latin1")).size > size
}
