import { assert, describe, it } from "@effect/vitest"
import { WorkerUnavailable } from "@headrace/core/services/PythonWorker"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as WorkerPool from "../../src/worker/WorkerPool.ts"

const worker = (name: string, calls = 0, isUsable = true) => ({
  name,
  openCalls: () => calls,
  isUsable: () => isUsable
})
type Named = ReturnType<typeof worker>

const keep = () => Effect.void

/** Takes an idle worker until its scope is closed; the fiber ends with the worker's name. */
const taking = (pool: WorkerPool.WorkerPool<Named>, scope: Scope.Closeable) =>
  pool.takeIdle(keep).pipe(
    Effect.map(({ name }) => name),
    Scope.provide(scope),
    Effect.forkChild({ startImmediately: true })
  )

const isWaiting = (fiber: Fiber.Fiber<unknown, unknown>) => fiber.pollUnsafe() === undefined

describe("WorkerPool", () => {
  it.effect("a worker is nobody else's until its scope ends, and then the first in line has it", () =>
    Effect.gen(function* () {
      const pool = WorkerPool.make<Named>(1)
      const scopes = [Scope.makeUnsafe(), Scope.makeUnsafe(), Scope.makeUnsafe()] as const
      yield* pool.offered(worker("only"))
      const first = yield* taking(pool, scopes[0])
      const second = yield* taking(pool, scopes[1])
      const third = yield* taking(pool, scopes[2])
      assert.strictEqual(yield* Fiber.join(first), "only")
      assert.deepStrictEqual([isWaiting(second), isWaiting(third)], [true, true])

      yield* Scope.close(scopes[0], Exit.void)

      assert.strictEqual(yield* Fiber.join(second), "only")
      assert.isTrue(isWaiting(third))
    })
  )

  it.effect("one who stops waiting loses the others nothing", () =>
    Effect.gen(function* () {
      const pool = WorkerPool.make<Named>(1)
      const patient = Scope.makeUnsafe()
      const impatient = yield* Effect.forkChild(Effect.scoped(pool.takeIdle(keep)), {
        startImmediately: true
      })
      const waiting = yield* taking(pool, patient)

      yield* Fiber.interrupt(impatient)
      yield* pool.offered(worker("late"))

      assert.strictEqual(yield* Fiber.join(waiting), "late")
    })
  )

  it.effect("one who is interrupted just as the worker is given leaves it to the next", () =>
    Effect.gen(function* () {
      const pool = WorkerPool.make<Named>(1)
      const scope = Scope.makeUnsafe()
      const doomed = yield* Effect.forkChild(
        Effect.scoped(Effect.andThen(pool.takeIdle(keep), Effect.never)),
        {
          startImmediately: true
        }
      )
      const next = yield* taking(pool, scope)

      yield* pool.offered(worker("given"))
      yield* Fiber.interrupt(doomed)

      assert.strictEqual(yield* Fiber.join(next), "given")
    })
  )

  it.effect("a worker is given on only after it was released", () =>
    Effect.gen(function* () {
      const pool = WorkerPool.make<Named>(1)
      const stopped = yield* Deferred.make<void>()
      const [first, second] = [Scope.makeUnsafe(), Scope.makeUnsafe()]
      yield* pool.offered(worker("busy"))
      yield* Scope.provide(
        pool.takeIdle(() => Deferred.await(stopped)),
        first
      )
      const next = yield* taking(pool, second)
      const closing = yield* Effect.forkChild(Scope.close(first, Exit.void), { startImmediately: true })
      assert.isTrue(isWaiting(next))

      yield* Deferred.succeed(stopped, undefined)
      yield* Fiber.join(closing)

      assert.strictEqual(yield* Fiber.join(next), "busy")
    })
  )

  it.effect("a light call goes to the worker with the fewest open calls, taken or not", () =>
    Effect.gen(function* () {
      const pool = WorkerPool.make<Named>(2)
      yield* pool.offered(worker("busy", 3))
      yield* pool.offered(worker("free", 1))
      yield* Scope.provide(pool.takeIdle(keep), Scope.makeUnsafe())
      yield* Scope.provide(pool.takeIdle(keep), Scope.makeUnsafe())

      assert.strictEqual((yield* pool.leastBusy).name, "free")
    })
  )

  it.effect("a worker that is gone is given to nobody, also when it was idle or is released later", () =>
    Effect.gen(function* () {
      const pool = WorkerPool.make<Named>(2)
      const [gone, idle] = [worker("gone"), worker("idle")]
      const scope = Scope.makeUnsafe()
      yield* pool.offered(gone)
      yield* Scope.provide(pool.takeIdle(keep), scope)
      yield* pool.offered(idle)

      yield* pool.withdrawn(gone)
      yield* pool.withdrawn(idle)
      yield* Scope.close(scope, Exit.void)

      const next = yield* taking(pool, Scope.makeUnsafe())
      assert.isTrue(isWaiting(next))
      yield* pool.offered(worker("new"))
      assert.strictEqual(yield* Fiber.join(next), "new")
    })
  )

  it.effect("a worker whose connection is gone is given to nobody, although it was not withdrawn yet", () =>
    Effect.gen(function* () {
      const pool = WorkerPool.make<Named>(2)
      yield* pool.offered(worker("gone", 0, false))
      yield* pool.offered(worker("busy", 9))

      assert.strictEqual((yield* pool.leastBusy).name, "busy")
    })
  )

  it.effect("when no slot can start a worker everybody is told so, and nobody waits until one can", () =>
    Effect.gen(function* () {
      const pool = WorkerPool.make<Named>(2)
      const why = new WorkerUnavailable({ detail: "no python" })
      const waiting = yield* Effect.forkChild(Effect.flip(pool.leastBusy), { startImmediately: true })

      yield* pool.startFailed(why)
      assert.isTrue(isWaiting(waiting))
      yield* pool.startFailed(why)

      assert.deepStrictEqual(yield* Fiber.join(waiting), why)
      assert.deepStrictEqual(yield* Effect.flip(Effect.scoped(pool.takeIdle(keep))), why)
      yield* pool.offered(worker("at last"))
      assert.strictEqual((yield* pool.leastBusy).name, "at last")
    })
  )

  it.effect(
    "a reason is news once, whichever slot and process it befalls, until it changes or a worker starts",
    () =>
      Effect.gen(function* () {
        const pool = WorkerPool.make<Named>(2)
        const failed = (detail: string) => pool.startFailed(new WorkerUnavailable({ detail }))

        const said = [
          yield* failed("worker 17 ended: exit code 1"),
          yield* failed("worker 18 ended: exit code 1"),
          yield* failed("no python")
        ]
        yield* pool.offered(worker("for a while"))

        assert.deepStrictEqual([...said, yield* failed("no python")], [true, false, true, true])
      })
  )

  it.effect("a failed start is nobody's concern while another worker is ready", () =>
    Effect.gen(function* () {
      const pool = WorkerPool.make<Named>(1)
      yield* pool.offered(worker("ready"))

      yield* pool.startFailed(new WorkerUnavailable({ detail: "no python" }))

      assert.strictEqual((yield* pool.leastBusy).name, "ready")
    })
  )
})
