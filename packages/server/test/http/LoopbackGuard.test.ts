import { assert, describe, it } from "@effect/vitest"
import { isLoopback, whyRefused } from "../../src/http/LoopbackGuard.ts"

describe("LoopbackGuard", () => {
  it("lets through the names of this machine, with and without a port", () => {
    const hosts = ["localhost", "localhost:4010", "LOCALHOST:1", "127.0.0.1:4010", "[::1]:4010", "[::1]"]

    const refused = hosts.filter((host) => whyRefused({ host }) !== undefined)

    assert.deepStrictEqual(refused, [])
  })

  it("refuses every other name that may point here", () => {
    const hosts = [
      "evil.example",
      "localhost.evil.example:4010",
      "127.0.0.1.nip.io",
      "0.0.0.0:4010",
      "127.0.0.1@evil.example",
      "[::ffff:127.0.0.1]",
      "",
      undefined
    ]

    const passed = hosts.filter((host) => whyRefused({ host }) === undefined)

    assert.deepStrictEqual(passed, [])
  })

  it("lets a page of this very server ask", () => {
    const why = whyRefused({ host: "localhost:4010", origin: "http://localhost:4010" })

    assert.isUndefined(why)
  })

  it("refuses pages of every other origin", () => {
    const origins = [
      "https://evil.example",
      "http://localhost:3000",
      "http://127.0.0.1:4010",
      "null",
      "file://"
    ]

    const passed = origins.filter((origin) => whyRefused({ host: "localhost:4010", origin }) === undefined)

    assert.deepStrictEqual(passed, [])
  })

  it("knows which addresses only this machine can reach", () => {
    const hosts = ["127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "192.168.0.1", "example.org", ""]

    assert.deepStrictEqual(hosts.filter(isLoopback), ["127.0.0.1", "::1", "localhost"])
  })
})
