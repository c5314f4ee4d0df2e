import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { SliceSeq } from "../../src/domain/Run.ts"
import { isConserved, Manifest } from "../../src/domain/Slice.ts"

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))

const manifest = (rows: number, rejected: number, filtered: number, read: number) =>
  Manifest.make({
    sliceSeq: SliceSeq.make(0),
    from: null,
    to: null,
    read,
    rows,
    rejected,
    filtered,
    sha256: "",
    bytes: 0
  })

describe("conservation", () => {
  it.prop(
    "holds exactly when every row read is written, set aside or filtered",
    { rows: Count, rejected: Count, filtered: Count, off: Count },
    ({ rows, rejected, filtered, off }) => {
      const sum = rows + rejected + filtered

      assert.isTrue(isConserved(manifest(rows, rejected, filtered, sum)))
      assert.strictEqual(isConserved(manifest(rows, rejected, filtered, sum + off)), off === 0)
    }
  )

  it("holds for a slice of nothing", () => {
    assert.isTrue(isConserved(manifest(0, 0, 0, 0)))
  })
})

describe("a manifest", () => {
  it.each(["read", "rows", "rejected", "filtered", "bytes"])(
    "with a negative or broken count of %s is none",
    (count) => {
      for (const value of [-1, 0.5, Number.NaN, "1"]) {
        const said = { ...manifest(0, 0, 0, 0), [count]: value }

        assert.isFalse(Schema.is(Manifest)(said))
      }
    }
  )
})
