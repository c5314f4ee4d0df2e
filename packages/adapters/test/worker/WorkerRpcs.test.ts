/** The golden conversations are words of the contract, and the real worker speaks them. */
import { assert, describe, it } from "@effect/vitest"
import { blurred, filled, type Line, transcripts } from "@headrace/core/testing/Transcripts"
import { Effect, Exit, Schema } from "effect"
import { Rpc, RpcSchema } from "effect/rpc"
import { WorkerRpcs } from "../../src/worker/WorkerRpcs.ts"
import * as RealWorker from "./RealWorker.ts"

/** Their requests are wrong on purpose; the worker must say so. */
const wrongOnPurpose = new Set(["payload-not-a-word", "unknown-call"])

const Envelope = Schema.Union([
  Schema.TaggedStruct("Request", {
    id: Schema.Int,
    tag: Schema.String,
    payload: Schema.Json,
    headers: Schema.Array(Schema.Tuple([Schema.String, Schema.String]))
  }),
  Schema.TaggedStruct("Ack", { requestId: Schema.Int }),
  Schema.TaggedStruct("Interrupt", { requestId: Schema.Int }),
  Schema.TaggedStruct("Ping", {}),
  Schema.TaggedStruct("Pong", {}),
  Schema.TaggedStruct("Chunk", { requestId: Schema.Int, values: Schema.NonEmptyArray(Schema.Json) }),
  Schema.TaggedStruct("Exit", { requestId: Schema.Int, exit: Schema.Json })
])

const strict = { onExcessProperty: "error" } as const

type Word = Schema.Top & { readonly DecodingServices: never; readonly EncodingServices: never }

/** Reads and writes `value` as a word: equal means nothing was lost on the way. */
const roundTrip = (schema: Word, value: unknown) => {
  const codec = Schema.toCodecJson(schema)
  return Schema.decodeUnknownEffect(
    codec,
    strict
  )(value).pipe(Effect.flatMap((word) => Schema.encodeUnknownEffect(codec)(word)))
}

const rpcOf = (tag: string) => [...WorkerRpcs.requests.values()].find((rpc) => rpc._tag === tag)

/** Reads every frame as a word; `calls` are those of the conversation so far. */
const readWord = (frame: unknown, calls: Map<number, string>) =>
  Effect.gen(function* () {
    const envelope = yield* Schema.decodeUnknownEffect(Envelope, strict)(frame)
    if (envelope._tag === "Request") {
      calls.set(envelope.id, envelope.tag)
      const rpc = rpcOf(envelope.tag)
      return { ...envelope, payload: yield* roundTrip(rpc?.payloadSchema ?? Schema.Never, envelope.payload) }
    }
    const rpc = "requestId" in envelope ? rpcOf(calls.get(envelope.requestId) ?? "") : undefined
    if (rpc === undefined) return envelope
    if (envelope._tag === "Exit")
      return { ...envelope, exit: yield* roundTrip(Rpc.exitSchema(rpc), envelope.exit) }
    if (envelope._tag !== "Chunk" || !RpcSchema.isStreamSchema(rpc.successSchema)) return envelope
    const values = yield* roundTrip(Schema.Array(rpc.successSchema.success), envelope.values)
    return { ...envelope, values }
  })

const framesOf = (lines: ReadonlyArray<Line>) =>
  lines.flatMap((line) => ("frame" in line ? [line.frame] : []))

const play = Effect.fnUntraced(function* (lines: ReadonlyArray<Line>) {
  const worker = yield* RealWorker.bare
  if (framesOf(lines)[0]?.["id"] !== 0) yield* worker.greet
  for (const line of lines) {
    if ("closed" in line) yield* worker.closed
    else if (line.to === "worker") yield* worker.send(line.frame)
    else {
      const heard = yield* worker.receive(line.frame["requestId"])
      assert.deepStrictEqual(blurred(heard, line.frame), line.frame)
    }
  }
})

describe.each(transcripts)("transcript $behaviour", ({ behaviour, lines }) => {
  it.effect("every frame is a word of the contract", () =>
    Effect.gen(function* () {
      const calls = new Map<number, string>()

      for (const frame of framesOf(lines)) {
        const word = yield* Effect.exit(readWord(filled(frame), calls))
        if (frame["_tag"] === "Request" && wrongOnPurpose.has(behaviour)) assert.isTrue(Exit.isFailure(word))
        else assert.deepStrictEqual<unknown>(word, Exit.succeed(filled(frame)))
      }
    })
  )

  it.live("the real worker says exactly this", () => Effect.scoped(play(lines)))
})
