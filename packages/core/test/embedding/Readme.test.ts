import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")

describe("the program that the README shows", () => {
  it("is the one that is compiled here", () => {
    const shown = /```ts\n([^]*?)```/.exec(read("../../../../README.md"))?.[1]

    assert.strictEqual(shown, read("program.ts"))
  })

  it("prints what the README says it prints", () => {
    const printed = execFileSync(process.execPath, [
      "--conditions=@headrace/source",
      fileURLToPath(new URL("program.ts", import.meta.url))
    ])

    assert.include(read("../../../../README.md"), `It prints \`${printed.toString().trim()}\``)
  })

  it("is within the first screen's reach: what stands before it has at most forty lines", () => {
    const before = read("../../../../README.md").split("## Embed it")[0]?.trim().split("\n") ?? []

    assert.isAtMost(before.length, 40)
  })
})
