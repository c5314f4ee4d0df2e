import { assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Pages from "./Pages.ts"

const isElsewhere = (target: string) => /^[a-z]+:/.test(target)

/** Why a link leads nowhere; null when it does not. */
const fault = (page: string, target: string): string | null => {
  const [path = "", anchor] = target.split("#")
  const file = path === "" ? page : join(dirname(page), decodeURIComponent(path))
  if (!existsSync(join(Pages.repository, file))) return `${page}: there is no ${file}`
  if (anchor === undefined || !file.endsWith(".md")) return null
  const anchors = Pages.headings(file).map(Pages.anchor)
  return anchors.includes(anchor) ? null : `${page}: ${file} has no heading #${anchor}`
}

/** Folders of the repository: what is in backticks and begins so is a path. */
const isPath = (code: string) => /^(packages|python|docs|scripts|bench)\/[\w./-]*$/.test(code)

describe("the pages", () => {
  it("have no link that leads nowhere", () => {
    const faults = Pages.pages.flatMap((page) =>
      Pages.links(page)
        .filter((target) => !isElsewhere(target))
        .flatMap((target) => fault(page, target) ?? [])
    )

    assert.deepStrictEqual(faults, [])
  })

  it("name no file or folder of the repository that is not there", () => {
    const missing = Pages.pages.flatMap((page) =>
      Pages.codes(Pages.prose(page))
        .filter((code) => isPath(code) && !existsSync(join(Pages.repository, code)))
        .map((code) => `${page}: ${code}`)
    )

    assert.deepStrictEqual(missing, [])
  })

  it("are all in the reading order, decisions by their folder", () => {
    const listed = Pages.links("docs/README.md").map((target) => join("docs", target))
    const unlisted = Pages.pages.filter(
      (page) => page.startsWith("docs/") && !page.startsWith("docs/decisions/")
    )

    assert.include(listed, "docs/decisions/")
    assert.deepStrictEqual(
      unlisted.filter((page) => page !== "docs/README.md" && !listed.includes(page)),
      []
    )
  })

  it("name their reader in their first line", () => {
    const silent = Pages.pages
      .filter((page) => page !== "README.md" && !page.startsWith("docs/decisions/"))
      .filter((page) => !/^# .+\n\n\*For /.test(Pages.read(page)))

    assert.deepStrictEqual(silent, [])
  })

  it("leave the canonical contract to Python: a TypeScript driver or sink is named only as gone (AC2)", () => {
    const lines = Pages.pages.flatMap((page) =>
      Pages.read(page)
        .split(/\n\n/)
        .filter((text) => /Ingestion(Driver|Sink)\b|KnowledgeBaseSink/.test(text))
        .map((text) => ({ page, text }))
    )

    assert.isTrue(lines.every(({ text }) => /are\s+gone/.test(text)))
    assert.match(
      Pages.read("docs/INGESTION_AND_SINKS.md"),
      /canonical contract is `SourceEndpoint` → `StagingProvider` → `SinkEndpoint`/
    )
  })
})
