/** What a second server does beside one that holds the turn and says nothing, as one does that was stopped. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import { mkdirSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import * as RunningServer from "../src/RunningServer.ts"
import * as Shop from "./scenario/Shop.ts"

const unasked = () => Effect.die(new Error("nobody should have to wait"))

/** A url that takes connections and never answers one. */
const mute = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer(() => undefined)
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
).pipe(
  Effect.map((server) => {
    const address = server.address()
    return `http://127.0.0.1:${typeof address === "string" ? address : address?.port}/graphql`
  })
)

/** A data directory whose turn is taken; with a note of it, or without. */
const taken = Effect.fnUntraced(function* (url: string | null) {
  const data = join(yield* Shop.temporaryFolder, "data")
  yield* RunningServer.turn(data, unasked)
  if (url !== null) yield* RunningServer.announce(data, url)
  return data
})

/** One who asks for the turn, and what it was told meanwhile. */
const asking = Effect.fnUntraced(function* (data: string) {
  const told: Array<RunningServer.Occupied> = []
  const waiting = (other: RunningServer.Occupied) => Effect.sync(() => void told.push(other))
  const fiber = yield* Effect.forkChild(Effect.flip(RunningServer.turn(data, waiting)), {
    startImmediately: true
  })
  return { fiber, told }
})

describe("a second server beside one that does not answer", () => {
  it.effect(
    "says within seconds whom it waits for and by which file, once, and gives up after a minute",
    () =>
      Effect.gen(function* () {
        const data = yield* taken(yield* mute)
        const { fiber, told } = yield* asking(data)
        yield* TestClock.adjust("2900 millis")
        const before = told.length

        yield* TestClock.adjust("100 millis")
        const after = told.map(({ pid, lock }) => ({ pid, lock }))
        yield* TestClock.adjust("57 seconds")
        const error = yield* Fiber.join(fiber)

        assert.strictEqual(before, 0)
        assert.deepStrictEqual(after, [{ pid: process.pid, lock: join(data, "server.lock") }])
        assert.strictEqual(told.length, 1)
        assert.deepInclude(error, { _tag: "Occupied", pid: process.pid })
      })
  )

  it.effect("takes the turn as soon as the other has let it go", () =>
    Effect.gen(function* () {
      const data = join(yield* Shop.temporaryFolder, "data")
      const waiting = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* RunningServer.turn(data, unasked)
          const fiber = yield* Effect.forkDetach(Effect.scoped(RunningServer.turn(data, () => Effect.void)), {
            startImmediately: true
          })
          yield* TestClock.adjust("10 seconds")
          return fiber
        })
      )

      yield* TestClock.adjust("100 millis")

      assert.deepStrictEqual(yield* Fiber.join(waiting), Option.none())
    })
  )
})

describe("a lock that cannot be had", () => {
  it.effect("is told with the name of its file", () =>
    Effect.gen(function* () {
      const data = join(yield* Shop.temporaryFolder, "data")
      mkdirSync(join(data, "server.lock"), { recursive: true })

      const error = yield* Effect.flip(RunningServer.turn(data, unasked))

      assert.strictEqual(error._tag, "FolderNotPrivate")
      assert.include(error.message, join(data, "server.lock"))
    })
  )
})
