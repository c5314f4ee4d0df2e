import { assert, describe, it } from "@effect/vitest"
import { getIntrospectionQuery } from "graphql"
import { limits, parseWithinLimits } from "../../src/graphql/Limits.ts"

const refuses = (query: string): boolean => {
  try {
    parseWithinLimits(query)
    return false
  } catch {
    return true
  }
}

const nested = (depth: number): string => (depth === 0 ? "a" : `a { ${nested(depth - 1)} }`)
const many = (count: number, text: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => text(index)).join(" ")

const documents: Record<string, (size: number) => string> = {
  depth: (size) => `{ ${nested(size - 1)} }`,
  aliases: (size) => `{ a { ${many(size, (n) => `a${n}: a`)} } }`,
  directives: (size) => `{ a ${many(size, () => "@b")} }`,
  rootFields: (size) => `{ ${many(size, () => "a")} }`,
  tokens: (size) => `{ a(b: [${many(size - 9, () => "1")}]) }`
}

describe("document limits (S1)", () => {
  for (const [name, make] of Object.entries(documents)) {
    const limit = Object.entries(limits).find(([key]) => key === name)?.[1] ?? 0

    it(`admits ${limit} ${name} and refuses ${limit + 1}`, () => {
      const outcomes = [limit - 1, limit, limit + 1].map((size) => refuses(make(size)))

      assert.deepStrictEqual(outcomes, [false, false, true])
    })
  }

  it("counts what fragments expand to", () => {
    const twice = many(8, (n) => `fragment f${n} on Q { a${n}: a ...f${n + 1} ...f${n + 1} }`)

    assert.isTrue(refuses(`{ ...f0 } ${twice} fragment f8 on Q { a }`))
  })

  it("leaves fragments that contain themselves to validation", () => {
    assert.isFalse(refuses("{ ...f } fragment f on Q { a ...f }"))
  })

  it("admits the standard introspection query", () => {
    assert.isFalse(refuses(getIntrospectionQuery()))
  })

  it("refuses a document above 100 KiB before it is parsed", () => {
    assert.isTrue(refuses(`{ a } #${"x".repeat(limits.bytes)}`))
  })
})
