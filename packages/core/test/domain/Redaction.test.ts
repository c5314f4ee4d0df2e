/** Which texts a secret is kept out of: the longer it is, the further it is looked for. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { withoutSecrets } from "../../src/domain/Redaction.ts"
import { secretVectors } from "../../src/testing/Transcripts.ts"

const clean = (text: string, ...secrets: ReadonlyArray<string>) => withoutSecrets(text, secrets, "****")

const ascii = Schema.String.check(Schema.isPattern(/^[ -)+-~]*$/))
const Long = ascii.check(Schema.isMinLength(8), Schema.isMaxLength(24))
const Short = Schema.String.check(Schema.isPattern(/^[a-z0-9]{1,3}$/))

describe("a secret that both ends of the worker's socket keep", () => {
  it.each(secretVectors)("is told as both agreed: $name", ({ secret, text, told }) => {
    assert.strictEqual(clean(text, secret), told)
  })
})

describe("a secret of eight characters or more", () => {
  it.prop(
    "survives nowhere, neither inside a word nor percent-encoded",
    { before: ascii, secret: Long, after: ascii },
    ({ before, secret, after }) => {
      const told = clean(`${before}${secret}${after} ${encodeURIComponent(secret)}x`, secret)

      assert.notInclude(told, secret)
      assert.notInclude(told, encodeURIComponent(secret))
    }
  )

  it("is hidden where a word goes on behind it", () => {
    assert.strictEqual(
      clean("tried sesame-street2 and xsesame-street", "sesame-street"),
      "tried ****2 and x****"
    )
  })
})

describe("a secret of a few letters", () => {
  it("is hidden as a word of its own, and not inside another", () => {
    assert.strictEqual(clean("tried opener: reopeners, (opener)", "opener"), "tried ****: reopeners, (****)")
  })

  it.prop(
    "of three or fewer is hidden where it stands as a value, and where passwords stand",
    { secret: Short },
    ({ secret }) => {
      const shown = (value: string) =>
        [`key=${value}`, `key:'${value}',`, `{"key": "${value}"}`, `//u:${value}@h`, `pwd=${value}&a`].join(
          " "
        )

      assert.strictEqual(clean(shown(secret), secret), shown("****"))
    }
  )

  it.each(["application app", "the app, app", "app.orders", "wrap"])("of three is left in %j", (text) => {
    assert.strictEqual(clean(text, "app"), text)
  })

  it("that is one of our own words is hidden as a value alone, for it is long in every message", () => {
    const text = "postgres://user@host: password authentication failed for postgres"

    assert.strictEqual(clean(`${text} (token=postgres)`, "postgres"), `${text} (token=****)`)
  })
})
