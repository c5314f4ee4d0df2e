import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { codeOf, type FailureKind } from "@headrace/core/domain/Failure"
import { knownCodes, messageFor, sideOf } from "../../src/cli/Catalogue.ts"
import { report } from "../../src/cli/Outcome.ts"
import { Screen, type ScreenOptions } from "../../src/cli/Screen.ts"
import { observe, type Tally } from "../../src/cli/Tally.ts"
import { fakeScreen } from "./FakeScreen.ts"
import { happened } from "./Happened.ts"

const journey = {
  source: "postgres://app:•••@db:5432/shop",
  sink: "./lake",
  isFull: false,
  showAside: "headrace quarantine show …"
}
const reported = (
  event: ReturnType<typeof happened>,
  options: Partial<ScreenOptions> = {},
  places = journey
) => {
  const fake = fakeScreen(options)
  return report(event, observe(null, event), places).pipe(
    Effect.provideService(Screen, fake.screen),
    Effect.map((exit) => ({ ...fake, exit }))
  )
}
const failure = (message: string) => Effect.flip(reported(happened(5, { event: "RUN_FAILED", message })))
const stats = {
  exported_rows: 1000,
  applied_rows: 1000,
  rejected_rows: 0,
  applied_bytes: 61_234,
  duration_ms: 2500,
  location: `${process.cwd()}/lake/public.orders`
}
const succeeded = happened(5, { event: "RUN_SUCCEEDED", state: "SUCCEEDED", stats })

/** Every kind of failure there is, and on which sides it can happen: a new kind does not compile until it stands here. */
const kinds: { readonly [Kind in FailureKind]: ReadonlyArray<"source" | "sink" | null> } = {
  EndpointUnreachable: ["source", "sink", null],
  AuthenticationFailed: ["source", "sink", null],
  PermissionDenied: ["source", "sink", null],
  ConfigInvalid: ["source", "sink", null],
  UnitNotFound: [null],
  SchemaChanged: [null],
  RowRejected: [null],
  QuarantineExceeded: [null],
  SourceRewound: [null],
  SourceReplaced: [null],
  Throttled: ["source", "sink", null],
  SinkFenced: [null],
  SinkAmbiguous: [null],
  SinkFull: [null],
  StagingFull: [null],
  Bug: [null],
  WorkerUnavailable: [null],
  WorkerLost: [null],
  WorkerContractViolation: [null],
  VersionConflict: [null],
  KvUnavailable: [null],
  CheckpointUnreadable: [null],
  CheckpointFork: [null],
  CheckpointAheadOfSink: [null],
  StoreUnavailable: [null],
  GraphUnavailable: [null],
  SecretUnreadable: [null],
  EndpointDeleted: [null],
  Interrupted: [null],
  Superseded: [null]
}

describe("the end of a run", () => {
  it.effect("is one line with rows, place, size and time", () =>
    Effect.gen(function* () {
      const { written, exit } = yield* reported(succeeded)

      assert.strictEqual(exit, 0)
      assert.strictEqual(
        written.stdout,
        "✓ public.orders   1,000 rows   → ./lake/public.orders   61.2 kB   2.5s\n"
      )
    })
  )

  it.effect("says that rows may be hidden, to people and to machines", () =>
    Effect.gen(function* () {
      const hiddenRows = "row-level security of public.orders may hide rows from this user"
      const some = happened(5, {
        event: "RUN_SUCCEEDED",
        state: "SUCCEEDED",
        stats: { ...stats, delivery: { class: "A", hiddenRows } }
      })

      const told = yield* reported(some)
      const json = yield* reported(some, { format: "json" })

      assert.include(told.written.stderr, `! Perhaps not all rows: ${hiddenRows}`)
      assert.strictEqual(JSON.parse(json.written.stdout).hiddenRows, hiddenRows)
    })
  )

  it.effect.each([
    [1, "! 1 row without a cursor"],
    [1200, "! 1,200 rows without a cursor"]
  ] as const)("says that %j of its rows will not be seen again", ([rows, told]) =>
    Effect.gen(function* () {
      const counted = { ...stats, delivery: { nullCursors: { rows } } }
      const event = happened(5, { event: "RUN_SUCCEEDED", state: "SUCCEEDED", stats: counted })

      const { written } = yield* reported(event)

      assert.include(written.stderr, told)
    })
  )

  it.effect("says that nothing was new when nothing was, and of a full read that there was nothing", () =>
    Effect.gen(function* () {
      const empty = { ...stats, exported_rows: 0, applied_rows: 0, applied_bytes: 0 }
      const ended = happened(5, { event: "RUN_SUCCEEDED", stats: empty })
      const { written } = yield* reported(ended)
      const full = yield* reported(ended, {}, { ...journey, isFull: true })

      assert.include(written.stdout, "nothing new")
      assert.include(full.written.stdout, "✓ public.orders   0 rows (nothing to read)")
    })
  )

  it.effect("does not say that nothing was new when what was new is set aside", () =>
    Effect.gen(function* () {
      const aside = { ...stats, exported_rows: 1, applied_rows: 0, applied_bytes: 0, rejected_rows: 1 }

      const { written } = yield* reported(happened(5, { event: "RUN_SUCCEEDED", stats: aside }))

      assert.include(written.stdout, "✓ public.orders   0 rows   1 set aside")
    })
  )

  it.effect("tells deletions apart from rows that arrived, to people and to machines", () =>
    Effect.gen(function* () {
      const gone = happened(5, {
        event: "RUN_SUCCEEDED",
        stats: { ...stats, applied_rows: 4, deleted_rows: 1 }
      })

      const told = yield* reported(gone)
      const json = yield* reported(gone, { format: "json" })

      assert.include(told.written.stdout, "✓ public.orders   3 rows   1 deleted")
      assert.deepInclude(JSON.parse(json.written.stdout), { rowsWritten: 4, rowsDeleted: 1 })
    })
  )

  it.effect("is one JSON line for machines, and no other word on stdout", () =>
    Effect.gen(function* () {
      const { jsonLines } = yield* reported(succeeded, { format: "jsonl" })

      const [line, ...others] = jsonLines()
      assert.deepInclude(line, {
        type: "run.finished",
        outcome: "SUCCEEDED",
        rowsRead: 1000,
        durationSeconds: 2.5
      })
      assert.deepStrictEqual(others, [])
    })
  )

  it.effect(
    "of a pause is an interruption that names the last slice in the sink, not one that was given up",
    () =>
      Effect.gen(function* () {
        const paused = happened(5, { event: "RUN_PAUSED", state: "PAUSED" })
        const before = [
          happened(3, { event: "SLICE_COMMITTED", slice: 87 }),
          happened(4, { event: "SLICE_STARTED", slice: 88 })
        ].reduce<Tally | null>(observe, null)

        const refused = yield* report(paused, observe(before, paused), journey).pipe(
          Effect.provideService(Screen, fakeScreen().screen),
          Effect.flip
        )

        assert.strictEqual(refused.exit, 130)
        assert.strictEqual(refused.runId, "run-1")
        assert.include(refused.why.join(), "slice 87")
      })
  )

  it.effect("of a failure shows the side it happened on and exits with its code", () =>
    Effect.gen(function* () {
      const source = yield* failure("SOURCE_UNREACHABLE: db:5432 refused the connection.")
      const sink = yield* failure("SINK_PERMISSION: /lake may not be written by this user.")

      assert.deepInclude(source, {
        exit: 5,
        where: journey.source,
        number: "HR3001",
        code: "SOURCE_UNREACHABLE",
        runId: "run-1"
      })
      assert.deepInclude(sink, { exit: 6, where: journey.sink, number: "HR3022" })
    })
  )
})

describe("the catalogue", () => {
  it("has words for every code a run can fail with", () => {
    const codes = Object.entries(kinds).flatMap(([kind, sides]) =>
      sides.map((side) => (isKind(kind) ? codeOf(kind, side) : kind))
    )

    assert.deepStrictEqual(
      codes.filter((code) => !knownCodes.includes(code)),
      []
    )
  })

  it("gives no two codes the same number", () => {
    const numbers = knownCodes.map((code) => messageFor(`${code}: x`, null).number)

    assert.strictEqual(new Set(numbers).size, numbers.length)
  })

  it("keeps the sentence of a code nobody knows", () => {
    const message = messageFor("E_WORLD_ENDED: The world ended.", null)

    assert.deepStrictEqual(message.why, ["The world ended."])
    assert.strictEqual(message.exit, 1)
  })

  it("blames neither side for what is ours", () => {
    assert.isNull(sideOf("WORKER_LOST: The worker died."))
  })
})

const isKind = (kind: string): kind is FailureKind => Object.hasOwn(kinds, kind)
