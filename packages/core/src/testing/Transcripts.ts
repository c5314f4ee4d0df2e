/**
 * The golden conversations, frames and secrets of `protocol/`: readable lines here,
 * MessagePack on the socket. Each transcript is one behaviour, named after it;
 * `protocol/README.md` says how one is played and what its placeholders mean.
 */
import { Schema } from "effect"
import { readdirSync, readFileSync } from "node:fs"

const Frame = Schema.Record(Schema.String, Schema.Json)

const Line = Schema.Union([
  Schema.Struct({ to: Schema.Literals(["worker", "control"]), frame: Frame }),
  /** The worker has closed the connection. */
  Schema.Struct({ to: Schema.Literal("control"), closed: Schema.Literal(true) })
])
export type Line = typeof Line.Type

const FrameVector = Schema.Struct({ name: Schema.String, hex: Schema.String, verdict: Schema.String })

const SecretVector = Schema.Struct({
  name: Schema.String,
  secret: Schema.String,
  text: Schema.String,
  told: Schema.String
})

const protocol = new URL("../../protocol/", import.meta.url)
const text = (file: string) => readFileSync(new URL(file, protocol), "utf8")
const decodeLine = Schema.decodeSync(Schema.fromJsonString(Line))

export const transcripts: ReadonlyArray<{ readonly behaviour: string; readonly lines: ReadonlyArray<Line> }> =
  readdirSync(new URL("transcripts/", protocol))
    .toSorted()
    .map((file) => ({
      behaviour: file.replace(/\.jsonl$/, ""),
      lines: text(`transcripts/${file}`)
        .trimEnd()
        .split("\n")
        .map((line) => decodeLine(line))
    }))

/** Frames as they are on the socket, each with the verdict both ends must reach. */
export const frameVectors: ReadonlyArray<typeof FrameVector.Type> = Schema.decodeSync(
  Schema.fromJsonString(Schema.Array(FrameVector))
)(text("frames.json"))

/** Texts that hold a secret, each as both ends tell it. */
export const secretVectors: ReadonlyArray<typeof SecretVector.Type> = Schema.decodeSync(
  Schema.fromJsonString(Schema.Array(SecretVector))
)(text("secrets.json"))

const kinds: ReadonlyMap<
  string,
  { readonly sample: Schema.Json; readonly is: (value: Schema.Json) => boolean }
> = new Map([
  ["<text>", { sample: "text", is: (value) => typeof value === "string" }],
  [
    "<count>",
    { sample: 1, is: (value) => typeof value === "number" && Number.isInteger(value) && value >= 0 }
  ],
  ["<object>", { sample: {}, is: (value) => isObject(value) }],
  ["<list>", { sample: [], is: (value) => Array.isArray(value) }]
])

const isObject = (value: Schema.Json): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The frame with each placeholder replaced; those of `values` first, a value of the right kind for the rest. */
export const filled = (
  frame: Schema.Json,
  values: ReadonlyMap<string, Schema.Json> = new Map()
): Schema.Json => {
  if (typeof frame === "string") return values.get(frame) ?? kinds.get(frame)?.sample ?? frame
  if (Array.isArray(frame)) return frame.map((part) => filled(part, values))
  if (!isObject(frame)) return frame
  return Object.fromEntries(Object.entries(frame).map(([key, part]) => [key, filled(part, values)]))
}

/** What was heard, with each value that a placeholder of `expected` allows replaced by that placeholder. */
export const blurred = (heard: Schema.Json, expected: Schema.Json | undefined): Schema.Json => {
  if (typeof expected === "string" && kinds.get(expected)?.is(heard) === true) return expected
  if (Array.isArray(heard))
    return heard.map((part, index) => blurred(part, Array.isArray(expected) ? expected[index] : undefined))
  if (!isObject(heard)) return heard
  const parts = expected !== undefined && isObject(expected) ? expected : {}
  return Object.fromEntries(Object.entries(heard).map(([key, part]) => [key, blurred(part, parts[key])]))
}
