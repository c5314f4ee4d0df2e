import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { codeOf, lastError } from "../../src/domain/Failure.ts"
import { Problem } from "../../src/protocol/Protocol.ts"

const sides = ["source", "sink", "staging", null] as const

describe("a code", () => {
  const tags = Problem.fields.tag.literals
  it.each(tags)("of %s is in capitals, whatever its side", (tag) => {
    for (const side of sides) assert.match(codeOf(tag, side), /^[A-Z]+(_[A-Z]+)*$/)
  })

  it.each([
    ["EndpointUnreachable", "source", "SOURCE_UNREACHABLE"],
    ["EndpointUnreachable", "sink", "SINK_UNREACHABLE"],
    ["EndpointUnreachable", null, "ENDPOINT_UNREACHABLE"],
    ["AuthenticationFailed", "source", "SOURCE_SIGN_IN"],
    ["PermissionDenied", "sink", "SINK_PERMISSION"],
    ["ConfigInvalid", "staging", "STAGING_CONFIG"],
    ["WorkerLost", null, "WORKER_LOST"],
    ["VersionConflict", null, "KV_CONFLICT"],
    ["Bug", "source", "BUG"]
  ] as const)("of %s on %s is %s", (kind, side, code) => {
    assert.strictEqual(codeOf(kind, side), code)
  })

  it("tells a source's failure from a sink's wherever it can happen on both", () => {
    const both = [
      "EndpointUnreachable",
      "AuthenticationFailed",
      "PermissionDenied",
      "ConfigInvalid",
      "Throttled"
    ] as const

    for (const kind of both) assert.strictEqual(new Set(sides.map((side) => codeOf(kind, side))).size, 4)
  })
})

/** Texts with line ends, controls, halves of a pair and what looks like a mask. */
const Text = Schema.Array(
  Schema.Literals(["word ", "\n", "\r\n", "\t", "\u2028", "\0", "😀", "é", "****", "x".repeat(97), " "])
)
const Secret = Schema.NonEmptyArray(Schema.Literals(["a", "b", "c", "sesame", " ", "\n", "é"]))

describe("lastError", () => {
  it.prop("is one line of 500 characters at most that begins with the code", { text: Text }, ({ text }) => {
    const told = lastError("WORKER_LOST", text.join(""))

    assert.isAtMost(told.length, 500)
    assert.match(told, /^WORKER_LOST:/)
    assert.notMatch(told, /[\p{Cc}\p{Zl}\p{Zp}]/u)
    assert.isTrue(told.isWellFormed())
  })

  it.prop(
    "D12 holds none of the long secrets, wherever they stand and however lines are broken",
    { before: Text, secrets: Schema.NonEmptyArray(Secret), after: Text },
    ({ before, secrets, after }) => {
      const values = secrets.map((letters) => letters.join(""))
      const oneLine = (value: string) => value.replaceAll(/\s+/g, " ").trim()
      const long = values.map(oneLine).filter((value) => value.length >= 8)

      const broken = values.map((value) => value.replaceAll(" ", "\n"))
      const text = before.join("") + [...values, ...broken].join(" or ") + after.join("")

      const told = lastError("BUG", text, values)

      for (const value of long) assert.notInclude(told.slice("BUG: ".length), value)
    }
  )

  it("replaces a secret that holds another one as a whole", () => {
    assert.strictEqual(lastError("BUG", "tried hunter2000", ["hunter2", "hunter2000"]), "BUG: tried ****")
  })

  it("does not hide a short secret inside a word that holds it", () => {
    assert.strictEqual(
      lastError("SOURCE_SIGN_IN", "application app was refused (password=app).", ["app"]),
      "SOURCE_SIGN_IN: application app was refused (password=****"
    )
  })

  it("leaves a text alone that only resembles a value too short to be a secret", () => {
    assert.strictEqual(lastError("BUG", "a cat sat", ["a", "at"]), "BUG: a cat sat")
  })

  it("cuts a longer text with an ellipsis, and no character in half", () => {
    const text = `${"x".repeat(500 - "BUG: ".length - 2)}😀😀`

    const told = lastError("BUG", text)

    assert.isTrue(told.endsWith("…") && told.isWellFormed())
    assert.isAtMost(told.length, 500)
  })

  it("leaves a text of exactly 500 characters as it is", () => {
    const text = "x".repeat(500 - "BUG: ".length)

    assert.strictEqual(lastError("BUG", text), `BUG: ${text}`)
  })
})
