import { assert, layer } from "@effect/vitest"
import { Endpoints } from "@headrace/core/lifecycle/Endpoints"
import { EndpointRepo } from "@headrace/core/services/EndpointRepo"
import { Effect } from "effect"
import { register, registering, testing } from "../Api.ts"
import { ask } from "../GraphqlClient.ts"
import * as MemoryServer from "../MemoryServer.ts"

const parameters = { host: "db", username: "app", password: "hunter2" }

layer(MemoryServer.layer(), { excludeTestServices: true })("the secrets of endpoints", (it) => {
  it.effect("stores no secret in clear, wherever it stands, and opens it for the worker (D12)", () =>
    Effect.gen(function* () {
      const { config } = MemoryServer.source({ proxy: "https://ada:hunter2@proxy/", pwd: "hunter2" })
      const mirror = "https://ada:hunter2@db:5432/?token=hunter2"
      const answer = yield* registering({
        name: "Sealed",
        sourceId: "sealed",
        url: "postgres://ada:hunter2@db/x",
        authPolicy: "Bearer hunter2",
        config: { ...config, parameters: { ...parameters, mirror } }
      })
      yield* registering({ name: "Plain", sourceId: "plain", url: "postgres://ada:hunter2@db/x" })

      const repo = yield* EndpointRepo
      const rows = yield* repo.list({ tenant: "dev", project: "global" })
      const sealed = rows.find(({ sourceId }) => sourceId === "sealed")
      const ref = sealed === undefined ? null : yield* (yield* Endpoints).refOf(sealed)

      assert.isUndefined(answer.errors)
      assert.includeMembers(
        rows.map(({ sourceId }) => sourceId),
        ["sealed", "plain"]
      )
      assert.notInclude(JSON.stringify([rows, answer]), "hunter2")
      assert.deepInclude(ref?.parameters, { mirror, password: "hunter2" })
    })
  )

  it.effect("repeats nothing of what it refuses: a secret may be in it (D12)", () =>
    Effect.gen(function* () {
      const config = { templateId: "memory.table", parameters }
      const document = "mutation R($input: EndpointInput!) { registerEndpoint(input: $input) { id } }"
      const literal = (input: string) => `mutation { registerEndpoint(input: ${input}) { id } }`

      const answers = yield* Effect.all([
        registering({ name: "A", config: "hunter2" }),
        ...[
          { verb: "POST", config },
          { name: "B", verb: "POST", nmae: "hunter2", config },
          { name: { password: "hunter2" }, verb: "POST" },
          "hunter2; not an object"
        ].map((input) => ask(document, { input })),
        ask(`query Q($first: Int) { endpoints(first: $first) { id } }`, { first: "hunter2" }),
        ask(literal(`{name: {password: "hunter2"}, verb: "POST"}`)),
        ask(literal(`"hunter2"`)),
        ask(`{ endpointTemplates(family: "hunter2") { id } }`)
      ])

      assert.isTrue(answers.every(({ errors }) => errors !== undefined))
      assert.notInclude(JSON.stringify(answers), "hunter2")
      assert.deepStrictEqual(
        answers.flatMap(({ errors }) => errors?.map(({ message }) => message) ?? []).slice(1, 4),
        [
          'Variable "$input" got invalid value; Field "name" of required type "String!" was not provided.',
          'Variable "$input" got invalid value; Field "nmae" is not defined by type "EndpointInput". Did you mean "name"?',
          'Variable "$input" got invalid value at "input.name"; String cannot represent a non string value.'
        ]
      )
    })
  )

  it.effect("tells a stored secret to nobody but whom it was entered for, and asks for it again (D12)", () =>
    Effect.gen(function* () {
      const { id } = yield* register({ ...MemoryServer.source(), sourceId: "told" })
      const { id: other } = yield* register({ ...MemoryServer.lake, sourceId: "told-lake" })
      const connection = { ...parameters, password: "****" }

      const elsewhere = yield* Effect.forEach(
        [{ host: "unreachable" }, { username: "eve" }, { proxy: "unreachable" }],
        (change) => testing({ connection: { ...connection, ...change }, endpointId: id })
      )
      const ofAnother = yield* testing({ connection, endpointId: other })
      const enteredAgain = yield* testing({
        connection: { ...parameters, host: "db-2" },
        endpointId: id
      })
      const samePlace = yield* testing({ connection: { ...connection, version_hint: "2" }, endpointId: id })

      assert.deepStrictEqual(
        [...elsewhere, ofAnother].map(({ diagnostics: [first] }) => [first?.code, first?.field]),
        Array.from({ length: 4 }, () => ["E_SECRET_REQUIRED", "password"])
      )
      assert.match(elsewhere[0]?.diagnostics[0]?.message ?? "", /"host" is not what it was stored with/)
      assert.isTrue(enteredAgain.ok)
      assert.isTrue(samePlace.ok)
    })
  )

  it.effect("asks for a secret sent as **** unless an endpoint is named that has it (D12)", () =>
    Effect.gen(function* () {
      const { id } = yield* register(MemoryServer.source())
      const connection = { ...parameters, password: "****" }

      const without = yield* testing({ connection })
      const withStored = yield* testing({ connection, endpointId: id })

      assert.deepInclude(without.diagnostics[0], { code: "E_SECRET_REQUIRED", field: "password" })
      assert.isTrue(withStored.ok)
    })
  )
})
