import { assert, describe, it } from "@effect/vitest"
import { linesOf, shownRow } from "../../src/cli/SetAsideRow.ts"
import { table } from "../../src/cli/Table.ts"
import { fakeScreen } from "./FakeScreen.ts"

const hostile = "a\u001b[2J\u009b31m\u202eb\nnext"
const harmless = "a\\u001b[2J\\u009b31m\\u202eb\\nnext"

const kept = (payload: object, column: string | null = null) =>
  shownRow({
    generation: 1,
    sliceSeq: 0,
    position: 2,
    code: "MALFORMED",
    column,
    reason: "It is none.",
    payload: JSON.stringify(payload)
  } as Parameters<typeof shownRow>[0])

describe("a row that was set aside", () => {
  it("is shown in three lines, and commands no terminal, whatever was written into it", () => {
    const lines = linesOf(kept({ text: hostile }, hostile))

    assert.deepStrictEqual(lines, [
      `slice 0 row 2   MALFORMED   ${harmless}`,
      "  It is none.",
      `  ${harmless}`
    ])
  })

  it("keeps its contents as they are for machines", () => {
    assert.strictEqual(kept({ text: hostile }).text, hostile)
    assert.deepStrictEqual(kept({ row: { note: hostile } }).row, { note: hostile })
  })

  it("is harmless with its columns too, where JSON leaves a character as it is", () => {
    const [, , row] = linesOf(kept({ row: { note: "\u009b31m" } }))

    assert.strictEqual(row, '  {"note":"\\u009b31m"}')
  })
})

describe("what others wrote", () => {
  it("commands no terminal in a table or in a message", () => {
    const { screen, written } = fakeScreen()

    screen.tell(`no file ${hostile}`)

    assert.strictEqual(written.stderr, `no file ${harmless.replace("\\n", "\n")}\n`)
    assert.deepStrictEqual(table(["\u009bname"], [["\u001b[31mred"]]), ["\\u009bname", "\\u001b[31mred"])
  })
})
