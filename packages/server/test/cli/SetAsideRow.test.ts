import { assert, describe, it } from "@effect/vitest"
import { linesOf, shownRow } from "../../src/cli/SetAsideRow.ts"
import { table } from "../../src/cli/Table.ts"
import { fakeScreen } from "./FakeScreen.ts"

const hostile = "a\u001b[2J\u009b31m\u202eb\nnext"
const harmless = "a\\u001b[2J\\u009b31m\\u202eb\\nnext"

const kept = (payload: object, column: string | null = null, reason = "It is none.") =>
  shownRow({
    generation: 1,
    sliceSeq: 0,
    position: 2,
    code: "MALFORMED",
    column,
    reason,
    payload: JSON.stringify(payload)
  } as Parameters<typeof shownRow>[0])

describe("a row that was set aside", () => {
  it("is shown in three lines, and commands no terminal, whatever was written into it", () => {
    const lines = linesOf(kept({ text: hostile }, hostile), [])

    assert.deepStrictEqual(lines, [
      `row 3 of slice 0   MALFORMED   ${harmless}`,
      "  It is none.",
      `  ${harmless}`
    ])
  })

  it("keeps its contents as they are for machines", () => {
    assert.strictEqual(kept({ text: hostile }).text, hostile)
    assert.deepStrictEqual(kept({ row: { note: hostile } }).row, { note: hostile })
  })

  it.each([
    ["its line", "in/a.csv, line 7: one field is missing.", ["id"], "line 7"],
    ["its key", "No note.", ["id", "part"], "id = 3, part = a\\u001b[2J"],
    [
      "its number in the slice, as part of the key is not there",
      "No note.",
      ["id", "gone"],
      "row 3 of slice 0"
    ],
    ["its number in the slice, as nobody knows a key", "No note.", [], "row 3 of slice 0"]
  ])("is called by %s", (_, reason, key, place) => {
    const [first] = linesOf(kept({ row: { id: 3, part: "a\u001b[2J" } }, null, reason), key)

    assert.strictEqual(first, `${place}   MALFORMED`)
  })

  it("is called by as much of a long key as tells it apart", () => {
    const [first] = linesOf(kept({ row: { id: "x".repeat(500) } }), ["id"])

    assert.strictEqual(first, `id = ${"x".repeat(40)}…   MALFORMED`)
  })

  it("is harmless with its columns too, where JSON leaves a character as it is", () => {
    const [, , row] = linesOf(kept({ row: { note: "\u009b31m" } }), [])

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
