import { assert, describe, it } from "@effect/vitest"
import { chooseProgress } from "../../src/cli/Screen.ts"
import { refuse } from "../../src/cli/Message.ts"
import { fakeScreen } from "./FakeScreen.ts"

const write = () => true

describe("the screen", () => {
  it("hides a secret in what is said and drawn, and in a line that ends a verb, but not in data", () => {
    const { screen, written, jsonLines } = fakeScreen({ progress: "tty", format: "jsonl" })
    screen.hide(["hunter2", "1"])

    screen.print('{"id":1}')
    screen.tell("said hunter2")
    screen.draw("drew hunter2")
    screen.emit({ type: "failed", outcome: "FAILED", rows: 1, error: { why: ["asked with hunter2"] } })

    assert.notInclude(written.stderr, "hunter2")
    assert.deepInclude(jsonLines()[0], { id: 1 })
    assert.deepInclude(jsonLines()[1], { rows: 1, error: { why: ["asked with •••"] } })
  })

  it("lets no name command the terminal, and JSON say what it said", () => {
    const { screen, written, jsonLines } = fakeScreen({ format: "jsonl" })
    const name = "a\u001b[31m\\\u007f\u202e.csv"

    screen.print(JSON.stringify({ name }))
    assert.deepInclude(jsonLines()[0], { name })
    screen.print(`✓ ${name}`)

    for (const command of ["\u001b", "\u007f", "\u202e"]) assert.notInclude(written.stdout, command)
  })

  it("tells nothing but failures when quiet", () => {
    const { screen, written } = fakeScreen({ isQuiet: true })

    screen.tell("Starting")
    screen.complain(refuse({ title: "It failed", number: "HR5000", exit: 1 }))

    assert.notInclude(written.stderr, "Starting")
    assert.include(written.stderr, "It failed")
  })

  it("wipes a drawn line before anything else is written", () => {
    const { screen, written } = fakeScreen({ progress: "tty" })

    screen.draw("working")
    screen.tell("a warning")

    assert.strictEqual(written.stderr, "working\r\u001b[2Ka warning\n")
  })

  it("prints no progress as JSON when only the result was asked for", () => {
    const { screen, jsonLines } = fakeScreen({ format: "json" })

    screen.emit({ type: "run.progress", rows: 1 })
    screen.emit({ type: "run.finished", outcome: "SUCCEEDED" })

    assert.lengthOf(jsonLines(), 1)
  })

  it("draws on a terminal, writes lines elsewhere, and keeps still beside JSON lines", () => {
    assert.strictEqual(chooseProgress("auto", "text", { write, isTTY: true }), "tty")
    assert.strictEqual(chooseProgress("auto", "text", { write }), "plain")
    assert.strictEqual(chooseProgress("auto", "jsonl", { write, isTTY: true }), "none")
    assert.strictEqual(chooseProgress("plain", "jsonl", { write, isTTY: true }), "plain")
  })
})
