import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import * as Shop from "../scenario/Shop.ts"
import * as SampleDatabase from "../../src/start/SampleDatabase.ts"

it.live("the sample shop is filled once by two that find it empty at the same time", () =>
  Effect.gen(function* () {
    const data = join(yield* Shop.temporaryFolder, "data")
    const open = SampleDatabase.open(data, join(data, "postgres"))
    const both = yield* Effect.all([open, open], { concurrency: "unbounded" })
    const before = yield* Effect.forEach(both, ({ isFilled }) => isFilled)

    yield* Effect.forEach(both, ({ fill }) => fill, { concurrency: "unbounded", discard: true })

    assert.deepStrictEqual(before, [false, false])
    assert.deepStrictEqual(yield* Effect.forEach(both, ({ isFilled }) => isFilled), [true, true])
  }).pipe(Effect.scoped)
)
