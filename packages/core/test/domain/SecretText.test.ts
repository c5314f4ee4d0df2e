import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  authorizationParts,
  isSecretName,
  maskAuthorization,
  masked,
  maskText,
  secretParts,
  withParts
} from "../../src/domain/SecretText.ts"

describe("which names are of secrets", () => {
  it.each([
    "password",
    "dbPassword",
    "API-KEY",
    "apiKey",
    "client_secret",
    "refreshToken",
    "private-key",
    "passwd",
    "pwd",
    "PWD",
    "pass",
    "dbPass",
    "sasl.pass",
    "ssl_passphrase",
    "Authorization"
  ])("D12 %s", (name) => {
    assert.isTrue(isSecretName(name))
  })

  it.each([
    "host",
    "username",
    "keyspace",
    "primaryKeys",
    "ssl_mode",
    "bypass",
    "passthrough",
    "passenger",
    "authPolicy",
    "compass_url"
  ])("%s is none", (name) => {
    assert.isFalse(isSecretName(name))
  })
})

describe("secrets inside a text", () => {
  it.each([
    ["postgresql://app:hunter2@db.example:5432/shop", "postgresql://****@db.example:5432/shop"],
    ["postgresql://app@db.example/shop", "postgresql://****@db.example/shop"],
    ["https://db.example/?token=abc&page=2", "https://db.example/?token=****&page=2"],
    [
      "https://db.example/a?x=1&api_key=k;password=p#top",
      "https://db.example/a?x=1&api_key=****;password=****#top"
    ],
    ["jdbc:postgresql://app:hunter2@db.example/shop", "jdbc:postgresql://****@db.example/shop"],
    ["jdbc:postgresql://db/shop?user=a&password=hunter2", "jdbc:postgresql://db/shop?user=a&password=****"],
    ["jdbc:sqlserver://db:1433;user=sa;password=hunter2", "jdbc:sqlserver://db:1433;user=sa;password=****"],
    ["https://app:p@ss@db.example/", "https://****@db.example/"],
    ["postgres://app:hun/ter2@db/shop", "postgres://****@db/shop"],
    ["postgres://app:hun?t#r2@db/shop", "postgres://****@db/shop"],
    ["https://db.example/users/me@example.org", "https://db.example/users/me@example.org"],
    ["https://db.example:8443/users/me@example.org", "https://db.example:8443/users/me@example.org"],
    ["https://[::1]:8443/users/me@example.org", "https://[::1]:8443/users/me@example.org"],
    ["host=db password=hunter2 user=app", "host=db password=**** user=app"],
    [String.raw`host=db password = 'hun\'t er2' user=app`, "host=db password = **** user=app"],
    ["Driver={ODBC;x};Server=db;Uid=a;Pwd=hunter2;", "Driver={ODBC;x};Server=db;Uid=a;Pwd=****;"],
    ["Data Source=db;User Id=a;Password=hunter2", "Data Source=db;User Id=a;Password=****"]
  ])("D12 %s is shown as %s", (text, shown) => {
    assert.strictEqual(maskText(text), shown)
  })

  it.each([
    "",
    "no url",
    "me:secret@host",
    "/path?token=abc",
    "say it so: password=c",
    "host=db password=",
    "x://@h"
  ])("%j holds none that is known", (text) => {
    assert.strictEqual(maskText(text), text)
  })

  const Pieces = Schema.Array(
    Schema.Literals([
      "postgres://",
      "a:b",
      "@",
      "h",
      "/",
      "?",
      "password=",
      "x",
      ";",
      " ",
      "'",
      "{",
      "host=",
      "#"
    ])
  )
  it.prop(
    "D12 that were replaced by a word are found again where they were",
    { pieces: Pieces },
    ({ pieces }) => {
      const text = pieces.join("")
      const inside = (whole: string) => secretParts(whole).map(({ start, end }) => whole.slice(start, end))
      const sealed = withParts(text, secretParts(text), (_, index) => `sealed%3A${index}`)

      assert.deepStrictEqual(
        inside(sealed),
        inside(text).map((_, index) => `sealed%3A${index}`)
      )
      assert.strictEqual(
        withParts(sealed, secretParts(sealed), (_, index) => inside(text)[index] ?? ""),
        text
      )
    }
  )

  it("are searched for once, however long and unfinished the text is", () => {
    const unfinished = ["a={ ", "a='", 'a="', "://x:y", "?password=", ";;", "a ", "x:"]
    const found = unfinished.map((piece) => secretParts(piece.repeat(200_000)).length)

    assert.strictEqual(found.length, unfinished.length)
  })
})

describe("an authorization", () => {
  it.each([
    ["basic", "basic"],
    ["OAuth2.client-credentials", "OAuth2.client-credentials"],
    ["Bearer hunter2", "Bearer ****"],
    ["Basic aHVudGVyMg==", "Basic ****"],
    ['{"type":"bearer","value":"hunter2"}', masked]
  ])("D12 %s is shown as %s", (text, shown) => {
    assert.strictEqual(maskAuthorization(text), shown)
    assert.strictEqual(maskAuthorization(shown), shown)
    assert.strictEqual(authorizationParts(shown).length, shown === text ? 0 : 1)
  })
})
