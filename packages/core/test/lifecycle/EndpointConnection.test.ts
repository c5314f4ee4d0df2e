import { assert, describe, it } from "@effect/vitest"
import { goesElsewhere, notConnected, refused } from "../../src/lifecycle/EndpointConnection.ts"
import { Problem } from "../../src/protocol/Protocol.ts"
import { PythonWorkerError, RequestRejected } from "../../src/services/PythonWorker.ts"
import { plainField } from "../../src/domain/Template.ts"
import { template } from "../../src/testing/Samples.ts"

const withSchemas = {
  ...template,
  fields: [
    ...template.fields,
    plainField("schemas", { semantic: "SCHEMA" }),
    plainField("role", { semantic: "ROLE" })
  ]
}
const stored = { host: "db", port: "5432", username: "app", password: "hunter2", ssl_mode: "verify-full" }

describe("a connection goes elsewhere than a stored secret was entered for", () => {
  it.each([
    { host: "eve.example" },
    { host: "" },
    { port: "7777" },
    { username: "admin" },
    { ssl_mode: "disable" },
    { ssl_mode: "" },
    { driver: "another" }
  ])("D12 with %j", (change) => {
    assert.strictEqual(
      goesElsewhere(withSchemas, stored, { ...stored, ...change }),
      Object.keys(change)[0] ?? null
    )
  })

  it.each([
    { password: "****" },
    { ssl_key: "another" },
    { port: "" },
    { schemas: "sales" },
    { role: "reader" },
    { version_hint: "" }
  ])("and stays with %j", (change) => {
    assert.isNull(goesElsewhere(withSchemas, stored, { ...stored, ...change }))
  })

  it("D12 when a parameter that is stored is left out", () => {
    const { username: _, ...rest } = stored

    assert.strictEqual(goesElsewhere(withSchemas, stored, rest), "username")
  })
})

describe("what a connection that does not work failed of", () => {
  it.each([
    ["sign-in", "AuthenticationFailed", "AuthenticationFailed"],
    ["sign-in", "EndpointUnreachable", undefined],
    ["access", "PermissionDenied", "PermissionDenied"],
    ["parameters", "ConfigInvalid", "ConfigInvalid"],
    ["database", "ConfigInvalid", undefined]
  ])("is told by its test, where somebody is turned away or a word is wrong: %s, %s", (step, tag, kind) => {
    const test = {
      success: false,
      message: "It went wrong.",
      detectedVersion: null,
      capabilities: [],
      details: { step, tag },
      diagnostics: []
    }

    assert.strictEqual(notConnected(test).kind, kind)
  })

  it("is what the worker says where it does not even try", () => {
    const problem = Problem.make({
      tag: "ConfigInvalid",
      message: "Wrong.",
      retry: "Never",
      role: null,
      details: {}
    })

    assert.strictEqual(
      refused(new PythonWorkerError({ reason: new RequestRejected({ problem }) })).kind,
      "ConfigInvalid"
    )
  })
})
