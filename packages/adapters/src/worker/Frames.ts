/**
 * How one message becomes bytes on the worker's socket: an unsigned 32-bit
 * big-endian length, then one MessagePack map. `python/src/headrace/frames.py`
 * is the other end; the transcripts and `frames.json` hold the two together.
 * Nothing is sent that the other end would refuse.
 */
import { Data } from "effect"
import { Packr, Unpackr } from "msgpackr"
import { faultOf, type FrameFault } from "./FrameScan.ts"

/** Checked before a buffer is allocated, so a broken peer cannot exhaust memory. */
export const maximumFrameBytes = 16 * 1024 * 1024

/** The frame is none of ours. Received: the connection is beyond repair, close it. To be sent: nothing was. */
export class FrameRefused extends Data.TaggedError("FrameRefused")<{
  readonly fault: FrameFault
  /** Of the body; as announced where it was not read. */
  readonly bytes: number
}> {
  override get message(): string {
    return `frame of ${this.bytes} bytes refused: ${this.fault}`
  }
}

// Plain maps and no extension types: with the library's defaults Python reads positional records.
// `object`, because the library's types do not know "auto".
const options: object = {
  useRecords: false,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  moreTypes: false,
  structuredClone: false,
  mapsAsObjects: true,
  // A number where it fits into 53 bits, else a bigint, which no word of the protocol accepts.
  int64AsType: "auto"
}

const packr = new Packr(options)
const unpackr = new Unpackr(options)

/**
 * Integers beyond 32 bits as bigint: the library writes them as int64 then, and
 * as a float otherwise, which Python would read as another type.
 */
const withWideIntegers = (value: unknown): unknown => {
  if (typeof value === "number")
    return Number.isSafeInteger(value) && (value > 0xffff_ffff || value < -0x8000_0000)
      ? BigInt(value)
      : value
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value
  if (Array.isArray(value)) return value.map((part) => withWideIntegers(part))
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withWideIntegers(part)]))
}

/** The message with its length before it. Throws `FrameRefused` when the other end would refuse it. */
export const encode = (message: unknown): Buffer => {
  const body = packr.pack(withWideIntegers(message))
  const fault = body.length > maximumFrameBytes ? "frame-too-large" : faultOf(body)
  if (fault !== undefined) throw new FrameRefused({ fault, bytes: body.length })
  const head = Buffer.alloc(4)
  head.writeUInt32BE(body.length)
  return Buffer.concat([head, body])
}

/** One message of a whole body. Throws `FrameRefused`. */
const decode = (body: Buffer): unknown => {
  const fault = faultOf(body)
  if (fault !== undefined) throw new FrameRefused({ fault, bytes: body.length })
  return unpackr.unpack(body)
}

/**
 * A decoder remembers the incomplete tail: give it bytes as they arrive, it
 * returns the messages they complete. It throws `FrameRefused` as soon as a
 * violation can be known, a length above the limit before its body arrives.
 */
export const makeDecoder = () => {
  let chunks: Array<Buffer> = []
  let buffered = 0

  /** The first `count` bytes as one piece; joined once, however many pieces they came in. */
  const joined = (count: number): Buffer => {
    const first = chunks[0]
    if (first !== undefined && first.length >= count) return first
    const all = Buffer.concat(chunks)
    chunks = [all]
    return all
  }

  return (bytes: Uint8Array): ReadonlyArray<unknown> => {
    chunks.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    buffered += bytes.byteLength
    const messages: Array<unknown> = []
    while (buffered >= 4) {
      const length = joined(4).readUInt32BE(0)
      if (length > maximumFrameBytes) throw new FrameRefused({ fault: "frame-too-large", bytes: length })
      if (buffered < 4 + length) break
      const all = joined(4 + length)
      messages.push(decode(all.subarray(4, 4 + length)))
      chunks[0] = all.subarray(4 + length)
      buffered -= 4 + length
    }
    return messages
  }
}
