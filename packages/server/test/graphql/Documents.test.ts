/** Which documents are read anew, and which are remembered. */
import { assert, describe, it } from "@effect/vitest"
import * as Documents from "@headrace/server/graphql/Documents"
import { buildSchema, parse } from "graphql"

const schema = buildSchema("type Query { a: Int, b: Int }")

/** Documents, and how often one had to be parsed. */
const counted = () => {
  const parsed: Array<string> = []
  const documents = Documents.make((query) => {
    parsed.push(query)
    return parse(query)
  })
  return { documents, parsed }
}

describe("documents", () => {
  it("are parsed once, however often they come", () => {
    const { documents, parsed } = counted()

    const [first, , again] = ["{ a }", "{ b }", "{ a }"].map(documents.parse)

    assert.strictEqual(first, again)
    assert.deepStrictEqual(parsed, ["{ a }", "{ b }"])
  })

  it("that are not valid stay so, the second time too", () => {
    const { documents } = counted()
    const refused = () =>
      documents.validate(schema, documents.parse("{ zebra }")).map(({ message }) => message)

    assert.deepStrictEqual(refused(), [`Cannot query field "zebra" on type "Query".`])
    assert.deepStrictEqual(refused(), [`Cannot query field "zebra" on type "Query".`])
    assert.deepStrictEqual(documents.validate(schema, documents.parse("{ a }")), [])
  })

  it("beyond the bound make room: the one that came longest ago is parsed anew, and no other", () => {
    const { documents, parsed } = counted()
    const numbered = (n: number) => `query q${n} { a }`
    for (let n = 0; n < Documents.bounds.documents; n++) documents.parse(numbered(n))
    documents.parse(numbered(0))
    documents.parse("{ b }")
    parsed.splice(0)

    documents.parse(numbered(0))
    documents.parse(numbered(2))
    documents.parse(numbered(1))

    assert.deepStrictEqual(parsed, [numbered(1)])
  })

  it("that are long are never kept", () => {
    const { documents, parsed } = counted()
    const long = `{ a }${" ".repeat(Documents.bounds.characters)}`

    documents.parse(long)
    documents.parse(long)

    assert.strictEqual(parsed.length, 2)
  })
})
