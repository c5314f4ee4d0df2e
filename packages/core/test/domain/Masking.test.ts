import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  isSecretParameter,
  maskConfig,
  secretsOf,
  unmaskConfig,
  withSecrets
} from "../../src/domain/Masking.ts"
import { masked, maskText } from "../../src/domain/SecretText.ts"
import { template } from "../../src/testing/Samples.ts"

const parameters = { host: "db.example", username: "app", password: "hunter2", ssl_key: "PEM" }
const config = {
  templateId: template.id,
  parameters,
  proxy: { url: "https://me:proxypass@proxy.example/", headers: [{ name: "x", api_key: "k-1" }] },
  retries: 3
}

describe("which values are secrets", () => {
  it("D12 of a parameter its template decides, also against its name", () => {
    const free = { ...template, fields: template.fields.map((field) => ({ ...field, sensitive: false })) }
    const renamed = {
      ...free,
      fields: free.fields.map((field) => (field.key === "username" ? { ...field, key: "token_name" } : field))
    }

    assert.isTrue(isSecretParameter(template, "ssl_key"))
    assert.isFalse(isSecretParameter(free, "ssl_key"))
    assert.isTrue(isSecretParameter(free, "password"), "a field of type PASSWORD is one anyway")
    assert.isFalse(isSecretParameter(renamed, "token_name"))
  })

  it("D12 of a parameter no template knows, its name decides", () => {
    assert.isTrue(isSecretParameter(template, "sasl_password"))
    assert.isTrue(isSecretParameter(null, "password"))
    assert.isFalse(isSecretParameter(null, "ssl_key"))
  })

  it("are found wherever they stand, and nothing empty is one", () => {
    const found = secretsOf({ ...config, token: "", secret: null }, template)

    assert.deepStrictEqual(
      found.map(({ path }) => path.join(".")),
      ["parameters.password", "parameters.ssl_key", "proxy.url", "proxy.headers.0.api_key"]
    )
  })

  it("are a template's parameters only among the parameters, where it describes them", () => {
    const found = secretsOf(
      { ssl_key: "a", files: { ssl_key: "b" }, parameters: { files: { ssl_key: "c" } } },
      template
    )

    assert.deepStrictEqual(found, [])
  })

  it("are all that is below a secret name", () => {
    const found = secretsOf({ credentials_secret: { user: "u", nested: ["a", { b: 7 }] } }, null)

    assert.deepStrictEqual(
      found.map(({ value }) => value),
      ["u", "a", 7]
    )
  })
})

describe("a configuration that is shown", () => {
  it("D12 has **** for every secret and urls without user info; all else is as it was", () => {
    const shown = maskConfig(config, template)

    assert.deepStrictEqual(shown, {
      ...config,
      parameters: { ...parameters, password: masked, ssl_key: masked },
      proxy: { url: "https://****@proxy.example/", headers: [{ name: "x", api_key: masked }] }
    })
  })

  const Config = Schema.Record(
    Schema.Literals(["host", "password", "nested", "url", "a/b", "token"]),
    Schema.Json
  )
  it.prop("D12 sent back as it was shown, is the stored one again", { sent: Config }, ({ sent }) => {
    // What a store can hold: an empty text in a secret place said that there is none.
    const stored = unmaskConfig(sent, null, null).config

    const { config: again, missing } = unmaskConfig(maskConfig(stored, null), stored, null)

    assert.deepStrictEqual(missing, [])
    assert.deepStrictEqual(again, stored)
  })

  it.prop("D12 holds no secret that was found in it", { stored: Config }, ({ stored }) => {
    const found = secretsOf(maskConfig(stored, null), null)

    assert.deepStrictEqual(
      found,
      secretsOf(stored, null).map((secret) => ({ ...secret, value: masked }))
    )
  })

  it.prop("secrets that are sealed in place open in place", { stored: Config }, ({ stored }) => {
    const found = secretsOf(stored, null)
    const sealed = withSecrets(
      stored,
      found.map((secret) => ({ ...secret, value: `sealed:${secret.path.length}` }))
    )

    assert.deepStrictEqual(withSecrets(sealed, found), stored)
  })

  it("D12 has no secret inside a text either: each is replaced alone", () => {
    const texts = {
      dsn: "host=db password=hunter2 user=app",
      authPolicy: "Bearer hunter2",
      url: "https://me:hunter2@db/?token=hunter2",
      policy: { authPolicy: "basic" }
    }
    const found = secretsOf(texts, null)
    const sealed = withSecrets(
      texts,
      found.map((secret) => ({ ...secret, value: `s${secret.part}` }))
    )

    assert.deepStrictEqual(maskConfig(texts, null), {
      dsn: "host=db password=**** user=app",
      authPolicy: "Bearer ****",
      url: "https://****@db/?token=****",
      policy: { authPolicy: "basic" }
    })
    assert.strictEqual(sealed["url"], "https://s0@db/?token=s1")
    assert.deepStrictEqual(withSecrets(sealed, found), texts)
  })
})

describe("a configuration that is sent", () => {
  const stored = { parameters }

  it("D12 keeps the stored secret for ****, takes a new one, and drops one that is empty", () => {
    const kept = unmaskConfig({ parameters: { ...parameters, password: masked } }, stored, template)
    const renewed = unmaskConfig({ parameters: { ...parameters, password: "new" } }, stored, template)
    const dropped = unmaskConfig({ parameters: { ...parameters, password: "" } }, stored, template)

    assert.deepStrictEqual(kept, { config: stored, missing: [] })
    assert.deepInclude(renewed.config["parameters"], { password: "new" })
    assert.notProperty(dropped.config["parameters"], "password")
  })

  it("D12 names the places where **** stands for nothing", () => {
    const { missing } = unmaskConfig({ parameters: { password: masked, ssl_key: masked } }, stored, template)
    const nothing = unmaskConfig({ parameters: { password: masked } }, null, template)

    assert.deepStrictEqual(missing, [])
    assert.deepStrictEqual(nothing.missing, [["parameters", "password"]])
  })

  it("takes **** literally where no secret is", () => {
    const { config: taken, missing } = unmaskConfig({ parameters: { host: masked } }, stored, template)

    assert.deepStrictEqual(taken, { parameters: { host: masked } })
    assert.deepStrictEqual(missing, [])
  })

  it("D12 asks again for the secret of a url that was sent masked and is another one", () => {
    const url = "https://me:pass@proxy.example/"
    const sent = { proxy: "https://****@eve.example/", plain: "https://db.example/" }
    const { missing } = unmaskConfig(sent, { proxy: url, plain: url }, null)

    assert.deepStrictEqual(missing, [["proxy"]])
  })

  it("keeps the stored url for the one that was shown, and takes another", () => {
    const url = "https://me:pass@proxy.example/"
    const shown = unmaskConfig({ proxy: maskText(url) }, { proxy: url }, null)
    const other = unmaskConfig({ proxy: "https://proxy.example/" }, { proxy: url }, null)

    assert.deepStrictEqual(shown.config, { proxy: url })
    assert.deepStrictEqual(other.config, { proxy: "https://proxy.example/" })
  })
})
