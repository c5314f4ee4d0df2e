import { assert, describe, it } from "@effect/vitest"
import { checkpointKey } from "@headrace/core/domain/Checkpoint"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { knowledgeBase, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Pages from "./Pages.ts"

const map = "docs/MAP.md"
const migrations = join(Pages.repository, "packages/adapters/src/sql/migrations")

/** Every table that a migration makes. */
const tables = readdirSync(migrations).flatMap((name) =>
  Array.from(
    readFileSync(join(migrations, name), "utf8").matchAll(/create table (?:if not exists )?("?\w+"?)/g),
    ([, table = ""]) => table
  )
)

const three = [map, "docs/ENDPOINTS.md", "docs/INGESTION_AND_SINKS.md"]

/** Where each page speaks of it: the sentences and cells that name it. */
const about = (page: string, name: string) =>
  Pages.prose(page)
    .split(/\n\n|\||\. /)
    .filter((text) => text.includes(name))

describe("MAP.md, ENDPOINTS.md and INGESTION_AND_SINKS.md (AC4)", () => {
  it("name as tables those that the migrations make", () => {
    const named = three.flatMap((page) =>
      Pages.codes(Pages.prose(page)).filter((code) => /^(hr_\w+|"[A-Z]\w+")$/.test(code))
    )

    assert.includeMembers(tables, named)
    assert.includeMembers(named, [
      "hr_kv",
      "hr_run",
      "hr_endpoint",
      `"IngestionUnitState"`,
      `"MetadataEndpoint"`
    ])
  })

  it("say of the checkpoint's key what the code makes of it", () => {
    const said = Pages.codes(Pages.prose(map)).find((code) => code.startsWith("ingest/"))
    const unit = UnitKey.make({ endpointId: EndpointId.make("a/b"), unitId: UnitId.make("public.orders") })
    const filled = said
      ?.replace("<endpoint>", encodeURIComponent("a/b"))
      .replace("<unit>", "public.orders")
      .replace("<sink>", knowledgeBase)

    assert.strictEqual(filled, checkpointKey(unit, knowledgeBase))
    assert.match(Pages.read(map), /each part percent-encoded, in the tenant's namespace/)
  })

  it("agree that KV, and nothing else, is the truth about a checkpoint", () => {
    const [truth] = Pages.rows(map, "Where things are kept").filter(([what]) => what === "the checkpoint")

    assert.match(truth?.[1] ?? "", /^\*\*KV\*\* \(`hr_kv`\)/)
    assert.match(truth?.[2] ?? "", /^TypeScript, .*after each commit$/)
    assert.match(Pages.prose(map), /source of\s+truth for where a source resumes/)
    assert.match(Pages.prose(three[2] ?? ""), /loads the checkpoint from KV/)
    for (const page of three.slice(1)) assert.deepStrictEqual(about(page, "hr_kv"), [])
  })

  it("agree that rows live in sinks and metadata in the knowledge base, which is no endpoint", () => {
    const kept = new Map(
      Pages.rows(map, "Where things are kept").map(([what = "", where = ""]) => [what, where])
    )

    assert.strictEqual(kept.get("the rows of a unit"), "the **sink**")
    assert.match(kept.get("connected metadata: datasets, columns, semantic entities") ?? "", /knowledge base/)
    assert.match(Pages.prose(map), /never rows of a table/)
    assert.match(Pages.prose("docs/ENDPOINTS.md"), /`kb`, .*, is a sink and no endpoint/)
    assert.match(Pages.prose("docs/INGESTION_AND_SINKS.md"), /Rows of a table never become nodes/)
  })

  it("agree that the knowledge base lasts until a restart", () => {
    assert.match(Pages.prose(map), /`GraphStore`\) \| .* \| this version: until restart/)
    assert.match(Pages.prose("docs/INGESTION_AND_SINKS.md"), /graph is in memory and empty after a\s+restart/)
    assert.match(Pages.prose("docs/architecture.md"), /in memory, and empty after a restart/)
  })
})
