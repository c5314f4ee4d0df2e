import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { parseValue } from "graphql"
import { scalars } from "../../src/graphql/Scalars.ts"

const { DateTime: dateTime, JSON: json } = scalars
assert(dateTime !== undefined && json !== undefined)

describe("DateTime", () => {
  it("leaves as UTC with milliseconds and Z", () => {
    const at = DateTime.makeUnsafe("2026-01-31T13:00:00+01:00")

    assert.strictEqual(dateTime.serialize(at), "2026-01-31T12:00:00.000Z")
  })

  it("is read in any zone", () => {
    const read = dateTime.parseValue("2026-01-31T13:00:00+01:00")

    assert.strictEqual(dateTime.serialize(read), "2026-01-31T12:00:00.000Z")
  })

  it("is refused without a zone, without a time, as a number or as nonsense", () => {
    const refused = ["2026-01-31T13:00:00", "2026-01-31", 0, "2026-13-31T13:00:00Z", "now", null].filter(
      (value) => {
        try {
          dateTime.parseValue(value)
          return false
        } catch {
          return true
        }
      }
    )

    assert.strictEqual(refused.length, 6)
  })
})

describe("JSON", () => {
  it("keeps the order of keys and every kind of value of a literal", () => {
    const literal = `{z: 1, a: [true, null, 2.5, "x", {b: $v}], __proto__: "own"}`

    const value = json.parseLiteral(parseValue(literal.replace("$v", '"y"')), {})

    assert.strictEqual(JSON.stringify(value), `{"z":1,"a":[true,null,2.5,"x",{"b":"y"}],"__proto__":"own"}`)
  })
})
