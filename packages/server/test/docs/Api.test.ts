import { assert, describe, it } from "@effect/vitest"
import { buildSchema } from "graphql"
import * as Pages from "./Pages.ts"

describe("the page about the API", () => {
  it("lists every query and mutation there is, once, and no other", () => {
    const schema = buildSchema(Pages.read("packages/server/src/graphql/schema.graphql"))
    const served = [schema.getQueryType(), schema.getMutationType()].flatMap((type) =>
      Object.keys(type?.getFields() ?? {})
    )

    assert.deepStrictEqual(
      Pages.column("docs/INGESTION_AND_SINKS.md", "Operations of the API", 0).toSorted(),
      served.toSorted()
    )
  })
})
