import { assert, describe, it } from "@effect/vitest"
import { DateTime, Exit, Schema } from "effect"
import { Checkpoint, checkpointKey, CheckpointRecordJson, unitPath } from "../../src/domain/Checkpoint.ts"
import { EndpointId } from "../../src/domain/Endpoint.ts"
import { RunId } from "../../src/domain/Run.ts"
import { SinkId, UnitId, UnitKey } from "../../src/domain/Unit.ts"

const unitOf = (endpointId: string, unitId: string) =>
  UnitKey.make({ endpointId: EndpointId.make(endpointId), unitId: UnitId.make(unitId) })

type Ids = readonly [endpointId: string, unitId: string, sinkId?: string]

const keyOf = (...[endpointId, unitId, sinkId = "kb"]: Ids) =>
  checkpointKey(unitOf(endpointId, unitId), SinkId.make(sinkId))

/** Ids made of what separates, escapes and looks alike: two of them are often the same, or nearly. */
const Tricky = Schema.NonEmptyArray(
  Schema.Literals([
    "/",
    "%",
    "%2F",
    "2F",
    "a",
    "A",
    " ",
    "-",
    "_",
    ".",
    "é",
    "e\u0301",
    "ﬁ",
    "fi",
    "😀",
    "\0"
  ])
)
const Triple = Schema.Tuple([Tricky, Tricky, Tricky])
const joined = ([endpointId, unitId, sinkId]: typeof Triple.Type) =>
  [endpointId.join(""), unitId.join(""), sinkId.join("")] as const

/** The ids a key was made of. */
const partsOf = (key: string) => key.split("/").map(decodeURIComponent)

describe("checkpointKey", () => {
  it.prop("D6 can be read back, so that no two units or sinks share one", { ids: Triple }, ({ ids }) => {
    const parts = joined(ids)

    assert.deepStrictEqual(partsOf(keyOf(...parts)), ["ingest", ...parts])
  })

  it.prop(
    "D6 holds for any text that is Unicode",
    { endpointId: Schema.NonEmptyString, unitId: Schema.NonEmptyString },
    ({ endpointId, unitId }) => {
      const [one, other] = [endpointId.toWellFormed(), unitId.toWellFormed()]

      assert.deepStrictEqual(partsOf(keyOf(one, other)), ["ingest", one, other, "kb"])
    }
  )

  const pairs: ReadonlyArray<{ readonly one: Ids; readonly other: Ids }> = [
    { one: ["shop", "Unit A"], other: ["shop", "unit-a"] },
    { one: ["shop", "Unit A"], other: ["shop", "unit a"] },
    { one: ["a/b", "c"], other: ["a", "b/c"] },
    { one: ["a%2Fb", "c"], other: ["a/b", "c"] },
    { one: ["a", "b", "c/d"], other: ["a", "b/c", "d"] },
    { one: ["a", "é"], other: ["a", "e\u0301"] },
    { one: ["..", "x"], other: [".", "x"] }
  ]
  it.each(pairs)("D6 $one and $other are two", ({ one, other }) => {
    assert.notStrictEqual(keyOf(...one), keyOf(...other))
  })

  it("P24 begins with what it is for, and names endpoint, unit and sink in this order", () => {
    assert.strictEqual(keyOf("shop", "public.orders", "lake"), "ingest/shop/public.orders/lake")
  })
})

describe("unitPath", () => {
  it.prop("D5 tells tenants apart as well", { tenant: Tricky, ids: Triple }, ({ tenant, ids }) => {
    const [name, ...parts] = [tenant.join(""), ...joined(ids)] as const
    const [endpointId, unitId, sinkId] = parts

    const path = unitPath(name, unitOf(endpointId, unitId), SinkId.make(sinkId))

    assert.deepStrictEqual(partsOf(path), [name, ...parts])
  })
})

describe("a checkpoint record", () => {
  const record = {
    cursor: Checkpoint.make({ page: "9007199254740993", at: [null, 1.5] }),
    lastRunId: RunId.make("run-1"),
    stats: { exported_rows: 3, nested: { ü: null } },
    lastUpdatedAt: DateTime.makeUnsafe("2026-11-23T10:00:00.123Z")
  }
  const encode = Schema.encodeSync(CheckpointRecordJson)
  const decode = Schema.decodeUnknownExit(CheckpointRecordJson)

  it("P24 is plain JSON with an ISO time, and comes back as it was", () => {
    const stored: unknown = JSON.parse(JSON.stringify(encode(record)))

    assert.deepInclude(stored, { lastUpdatedAt: "2026-11-23T10:00:00.123Z" })
    assert.deepStrictEqual(decode(stored), Exit.succeed(record))
  })

  it.prop("any cursor a source may write comes back as it was", { cursor: Schema.Json }, ({ cursor }) => {
    const written = encode({ ...record, cursor: Checkpoint.make(cursor) })
    const read = decode(JSON.parse(JSON.stringify(written)))

    const expected: unknown = JSON.parse(JSON.stringify(cursor))
    assert.deepStrictEqual(Exit.isSuccess(read) ? read.value.cursor : read, expected)
  })

  const stored = { cursor: null, lastRunId: "run-1", stats: {}, lastUpdatedAt: "2026-11-23T10:00:00.123Z" }
  const broken = [
    null,
    "text",
    {},
    { ...stored, lastRunId: "" },
    { ...stored, lastUpdatedAt: 7 },
    { ...stored, stats: [] }
  ]
  it.each(broken)("%j is none", (value) => {
    assert.isTrue(Exit.isSuccess(decode(stored)))
    assert.isTrue(Exit.isFailure(decode(value)))
  })
})
