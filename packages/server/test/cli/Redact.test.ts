import { assert, describe, it } from "@effect/vitest"
import { redact } from "../../src/cli/Redact.ts"

describe("redact", () => {
  it("hides a secret wherever it stands, also percent-encoded", () => {
    const clean = redact("tried s@fe and s%40fe at once", ["s@fe"])

    assert.strictEqual(clean, "tried ••• and ••• at once")
  })

  it("hides the whole of a secret that begins with another", () => {
    assert.strictEqual(redact("tried hunter2000", ["hunter2", "hunter2000"]), "tried •••")
    assert.strictEqual(redact("tried a-b-c-d-e", ["a-b-c", "a-b-c-d-e"]), "tried •••")
  })

  it.each([
    ["x", "Try:  npx headrace check postgres://app@db/shop"],
    ["a", "No path, and a guess"],
    ["e", "The source refused the sign-in"],
    ["head", "Try:  npx headrace check"],
    ["postgres", "A reference is postgres://user@host/database"],
    ["password", "refused: password authentication failed"]
  ])("does not tell the password %s by hiding it in words that do not hold it", (secret, text) => {
    assert.strictEqual(redact(text, [secret]), text)
  })

  it("hides even the shortest password where passwords stand", () => {
    assert.strictEqual(
      redact("postgres://app:x@db/shop?password=x&a=1, host=db password=x, PGPASSWORD='x y'", ["x"]),
      "postgres://app:•••@db/shop?password=•••&a=1, host=db password=•••, PGPASSWORD=•••"
    )
    assert.strictEqual(redact("password=${env:PW}"), "password=${env:PW}")
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
    assert.strictEqual(redact(text, ["password"]), text)
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
