import { assert, describe, it } from "@effect/vitest"
import { redact } from "../../src/cli/Redact.ts"

describe("redact", () => {
  it("hides a secret wherever it stands, also percent-encoded", () => {
    const clean = redact("tried s@fe and s%40fe at once", ["s@fe"])

    assert.strictEqual(clean, "tried ••• and ••• at once")
  })

  it("hides the whole of a secret that begins with another", () => {
    assert.strictEqual(redact("abcdef", ["abc", "abcdef"]), "•••")
  })

  it("hides the password of any URI, known or not, and keeps the rest", () => {
    assert.strictEqual(
      redact("at postgresql://app:x@db:5432/shop?a=1"),
      "at postgresql://app:•••@db:5432/shop?a=1"
    )
  })

  it("leaves a placeholder, which holds no secret, and the example of a message", () => {
    const text = "postgres://app:${env:PW}@db, or postgres://user:password@host"

    assert.strictEqual(redact(text), text)
    assert.strictEqual(redact(text, ["password"]), text.replace("password", "•••"))
  })

  it("hides the password of a URI whose scheme is misspelled or missing", () => {
    assert.strictEqual(
      redact("with: postgres//app:x@db/shop //app:y@db"),
      "with: postgres//app:•••@db/shop //app:•••@db"
    )
  })

  it("leaves a text without secrets as it is", () => {
    assert.strictEqual(redact("db:5432 refused", [""]), "db:5432 refused")
  })
})
