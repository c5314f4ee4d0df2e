/** What the client makes of a peer that is slow, silent, gone, or speaks no word of the protocol. */
import { assert, describe, it } from "@effect/vitest"
import { EndpointId, EndpointRef, TemplateId } from "@headrace/core/domain/Endpoint"
import { UnitId } from "@headrace/core/domain/Unit"
import { RunIngestionUnit } from "@headrace/core/protocol/Protocol"
import { filled, frameVectors, transcripts } from "@headrace/core/testing/Transcripts"
import { Deferred, Effect, Exit, Fiber, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { typedAnswer, typedStream } from "../../src/worker/WorkerFailures.ts"
import * as FakePeer from "./FakePeer.ts"

const endpoint = EndpointRef.make({
  id: EndpointId.make("numbers"),
  templateId: TemplateId.make("test.rows"),
  parameters: { password: "hunter2" }
})
const preview = { endpoint, unitId: UnitId.make("rows"), limit: 2 }

const Sent = Schema.Struct({ _tag: Schema.String, id: Schema.optionalKey(Schema.Int) })
const idOf = Effect.fnUntraced(function* (message: unknown) {
  return (yield* Schema.decodeUnknownEffect(Sent)(message)).id
})

/** The request of the transcript `run-two-slices`. */
const run = Effect.gen(function* () {
  const line = transcripts.find(({ behaviour }) => behaviour === "run-two-slices")?.lines[0]
  const frame = line !== undefined && "frame" in line ? filled(line.frame["payload"] ?? null) : null
  return yield* Schema.decodeUnknownEffect(RunIngestionUnit)(frame)
})

const progress = (counter: number) => ({
  _tag: "Progress",
  phase: "export",
  sliceSeq: null,
  rows: 0,
  bytes: 0,
  counter
})

/** Asks for a preview and says what came of it when the peer answers with `exit` or with raw bytes. */
const previewAnswered = (answer: Uint8Array | ((id: number | undefined) => unknown)) =>
  Effect.gen(function* () {
    const peer = yield* FakePeer.make()
    const asked = yield* Effect.forkChild(Effect.flip(typedAnswer(peer.rpc.preview(preview))))
    const id = yield* idOf(yield* peer.heard)
    yield* answer instanceof Uint8Array ? peer.say(answer) : peer.answer(answer(id))
    return (yield* Fiber.join(asked)).reason
  })

const exit = (id: number | undefined, value: unknown) => ({ _tag: "Exit", requestId: id, exit: value })

describe("an answer that is no word of the protocol", () => {
  const refused = frameVectors.filter(({ verdict }) => verdict !== "ok")

  it.live.each(refused)("$name is a violation that names $verdict", ({ hex, verdict }) =>
    Effect.gen(function* () {
      const reason = yield* previewAnswered(Buffer.from(hex, "hex"))

      assert.strictEqual(reason._tag, "WorkerContractViolation")
      assert.include(JSON.stringify(reason), verdict)
    }).pipe(Effect.scoped)
  )

  it.live("a value of the wrong type is a violation that names its path and not its text", () =>
    Effect.gen(function* () {
      const value = { columns: [{ name: "id", type: 7 }], rows: [{ secret: "hunter2" }] }
      const reason = yield* previewAnswered((id) => exit(id, { _tag: "Success", value }))

      assert.strictEqual(reason._tag, "WorkerContractViolation")
      assert.include(JSON.stringify(reason), 'columns\\"][0][\\"type')
      assert.notInclude(JSON.stringify(reason), "hunter2")
    }).pipe(Effect.scoped)
  )

  it.live("a field that no word has is a violation", () =>
    Effect.gen(function* () {
      const reason = yield* previewAnswered((id) =>
        exit(id, { _tag: "Success", value: { columns: [], rows: [], more: 1 } })
      )

      assert.strictEqual(reason._tag, "WorkerContractViolation")
      assert.include(JSON.stringify(reason), "more")
    }).pipe(Effect.scoped)
  )

  it.live("an answer to a request nobody made ends the connection", () =>
    Effect.gen(function* () {
      const reason = yield* previewAnswered(() => exit(4711, { _tag: "Success", value: null }))

      assert.strictEqual(reason._tag, "WorkerContractViolation")
    }).pipe(Effect.scoped)
  )

  it.live("a fifth chunk that nobody acknowledged ends the connection", () =>
    Effect.gen(function* () {
      const peer = yield* FakePeer.make()
      const request = yield* run
      const stuck = yield* Deferred.make<void>()
      yield* typedStream(peer.rpc.runIngestionUnit(request, { streamBufferSize: 1 })).pipe(
        Stream.runForEach(() => Deferred.await(stuck)),
        Effect.forkChild
      )
      const id = yield* idOf(yield* peer.heard)

      for (let counter = 0; counter < 8; counter++)
        yield* peer.answer({ _tag: "Chunk", requestId: id, values: [progress(counter)] })

      assert.strictEqual((yield* peer.socket.ended)._tag, "WorkerContractViolation")
    }).pipe(Effect.scoped)
  )
})

describe("an answer that is a failure", () => {
  it.live("an exception nobody declared is rejected as a Bug, without what it said", () =>
    Effect.gen(function* () {
      const die = { _tag: "Die", defect: { name: "KeyError", message: "hunter2" } }
      const reason = yield* previewAnswered((id) => exit(id, { _tag: "Failure", cause: [die] }))

      assert.isTrue(reason._tag === "RequestRejected" && reason.problem.tag === "Bug")
      assert.include(JSON.stringify(reason), "KeyError")
      assert.notInclude(JSON.stringify(reason), "hunter2")
    }).pipe(Effect.scoped)
  )

  it.live("a call that the worker gives up by itself is lost, not an interruption of ours", () =>
    Effect.gen(function* () {
      const interrupt = { _tag: "Interrupt", fiberId: null }
      const reason = yield* previewAnswered((id) => exit(id, { _tag: "Failure", cause: [interrupt] }))

      assert.strictEqual(reason._tag, "WorkerLost")
    }).pipe(Effect.scoped)
  )

  it.live("a request that is no valid text is rejected, and the connection lives on", () =>
    Effect.gen(function* () {
      const peer = yield* FakePeer.make()
      const parameters = { password: "\ud800" }
      const unsendable = { ...preview, endpoint: EndpointRef.make({ ...endpoint, parameters }) }

      const { reason } = yield* Effect.flip(typedAnswer(peer.rpc.preview(unsendable)))

      assert.isTrue(reason._tag === "RequestRejected" && reason.problem.tag === "ConfigInvalid")
      assert.strictEqual(peer.connection.openCalls(), 0)
      assert.isUndefined(peer.socket.endedUnsafe())
    }).pipe(Effect.scoped)
  )
})

describe("a peer that is gone", () => {
  it.live("every call in flight is lost, and every later one at once", () =>
    Effect.gen(function* () {
      const peer = yield* FakePeer.make({ whyClosed: Effect.succeed("SIGKILL") })
      const request = yield* run
      const calls = yield* Effect.forkChild(
        Effect.all(
          [
            Effect.flip(typedAnswer(peer.rpc.preview(preview))),
            Effect.flip(Stream.runDrain(typedStream(peer.rpc.runIngestionUnit(request))))
          ],
          { concurrency: "unbounded" }
        )
      )
      yield* peer.heard
      yield* peer.heard

      yield* peer.hangUp

      const late = Effect.flip(typedAnswer(peer.rpc.preview(preview)))
      const reasons = [...(yield* Fiber.join(calls)), yield* late].map(({ reason }) => reason)
      assert.deepStrictEqual(
        reasons.map((reason) => reason._tag === "WorkerLost" && reason.detail),
        ["SIGKILL", "SIGKILL", "SIGKILL"]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("a peer that answers no Ping for the time of silence is lost", () =>
    Effect.gen(function* () {
      const peer = yield* FakePeer.make({ pingEvery: "10 seconds", silence: "90 seconds" })
      const ended = yield* Effect.forkChild(peer.socket.ended)

      yield* TestClock.adjust("90 seconds")
      assert.isUndefined(peer.socket.endedUnsafe())
      yield* TestClock.adjust("10 seconds")

      assert.strictEqual((yield* Fiber.join(ended))._tag, "WorkerLost")
    }).pipe(Effect.scoped)
  )
})

describe("many calls on one connection", () => {
  it.live("a stream nobody takes from delays no other call", () =>
    Effect.gen(function* () {
      const peer = yield* FakePeer.make()
      const request = yield* run
      const stuck = yield* Deferred.make<void>()
      yield* typedStream(peer.rpc.runIngestionUnit(request, { streamBufferSize: 1 })).pipe(
        Stream.runForEach(() => Deferred.await(stuck)),
        Effect.forkChild
      )
      const streaming = yield* idOf(yield* peer.heard)
      for (let counter = 0; counter < 3; counter++)
        yield* peer.answer({ _tag: "Chunk", requestId: streaming, values: [progress(counter)] })
      yield* peer.heard

      const light = yield* Effect.forkChild(typedAnswer(peer.rpc.preview(preview)))
      const asked = yield* Effect.repeat(peer.heard, {
        until: Schema.is(Schema.Struct({ _tag: Schema.Literal("Request"), tag: Schema.Literal("preview") }))
      })
      yield* peer.answer(exit(yield* idOf(asked), { _tag: "Success", value: { columns: [], rows: [] } }))

      assert.deepStrictEqual(yield* Fiber.join(light), { columns: [], rows: [] })
    }).pipe(Effect.scoped)
  )

  it.live("an interrupted call stays open until the peer has answered it", () =>
    Effect.gen(function* () {
      const peer = yield* FakePeer.make()
      const request = yield* run
      const streaming = yield* Effect.forkChild(
        Stream.runDrain(typedStream(peer.rpc.runIngestionUnit(request)))
      )
      const id = yield* idOf(yield* peer.heard)

      const interrupted = yield* Fiber.interrupt(streaming).pipe(
        Effect.andThen(Fiber.await(streaming)),
        Effect.forkChild
      )
      assert.deepStrictEqual(yield* peer.heard, { _tag: "Interrupt", requestId: id })
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.join(interrupted)))
      assert.strictEqual(peer.connection.openCalls(), 1)
      const settled = yield* Effect.forkChild(peer.connection.settled("runIngestionUnit"))
      yield* peer.answer({ _tag: "Chunk", requestId: id, values: [progress(0)] })
      yield* peer.answer(exit(id, { _tag: "Failure", cause: [{ _tag: "Interrupt", fiberId: null }] }))

      yield* Fiber.join(settled)
      assert.strictEqual(peer.connection.openCalls(), 0)
    }).pipe(Effect.scoped)
  )

  it.live("what passes is counted in both directions, length prefixes included", () =>
    Effect.gen(function* () {
      const bytes = { in: 0, out: 0 }
      const peer = yield* FakePeer.make({
        onFrame: (direction, count) => void (bytes[direction] += count),
        pingEvery: "10 millis"
      })

      assert.deepStrictEqual(yield* peer.heard, { _tag: "Ping" })
      yield* peer.answer({ _tag: "Pong" })
      yield* peer.hangUp
      yield* peer.socket.ended

      assert.isAtLeast(bytes.out, 15)
      assert.strictEqual(bytes.in, 15)
    }).pipe(Effect.scoped)
  )
})
