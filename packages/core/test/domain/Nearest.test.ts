import { assert, describe, it } from "@effect/vitest"
import { nearest } from "../../src/domain/Nearest.ts"
import { unknownPolicyKeys } from "../../src/domain/Policy.ts"

const units = ["public.orders", "public.order_items", "public.customers", "audit.Log"]

describe("nearest", () => {
  it("finds a table by its name without the schema before one that merely resembles it", () => {
    assert.deepStrictEqual(nearest("orders", units)[0], "public.orders")
  })

  it("finds what a typed word is the beginning of", () => {
    assert.deepStrictEqual(nearest("order", units), ["public.orders", "public.order_items"])
  })

  it("takes no two tables for alike because they have a schema in common", () => {
    const known = ["public.parts", "public.cust", "public.region"]

    assert.deepStrictEqual(nearest("public.part", known), ["public.parts"])
    assert.deepStrictEqual(nearest("pubilc.parts", known)[0], "public.parts")
  })

  it("forgives swapped letters and case", () => {
    assert.deepStrictEqual(nearest("audit.lgo", units), ["audit.Log"])
  })

  it("stays silent when nothing resembles the word", () => {
    assert.deepStrictEqual(nearest("warehouse", units), [])
  })

  it("stays silent about a word that is too long to be mistyped, however near another is", () => {
    assert.deepStrictEqual(nearest("x".repeat(256), ["x".repeat(255)]).length, 1)
    assert.deepStrictEqual(nearest("x".repeat(257), ["x".repeat(256)]), [])
  })

  it("finds a short beginning in a word that is far longer", () => {
    const long = `public.${"orders_of_the_year_".repeat(20)}`
    assert.deepStrictEqual(nearest("orders_of", [long]), [long])
  })
})

describe("an unknown policy key", () => {
  it("names the known one it resembles, whatever its case and separators", () => {
    const unknown = unknownPolicyKeys({ cursor_field: "at", WriteDispositon: "merge", colour: 1 })

    assert.deepStrictEqual(
      unknown.map(({ nearest }) => nearest),
      ["cursorField", "writeDisposition", null]
    )
  })
})
