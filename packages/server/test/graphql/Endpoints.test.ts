import { assert, layer } from "@effect/vitest"
import { Endpoints } from "@headrace/core/lifecycle/Endpoints"
import { EndpointRepo } from "@headrace/core/services/EndpointRepo"
import { Effect, Schema } from "effect"
import { field, register, registering } from "../Api.ts"
import { ask, codes } from "../GraphqlClient.ts"
import * as MemoryServer from "../MemoryServer.ts"

const Rows = Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String }))

const page = (args: string) =>
  Effect.gen(function* () {
    const answer = yield* ask(`{ endpoints(${args}) { id name } }`)
    return yield* field(answer, "endpoints", Rows)
  })

const names = (args: string) => Effect.map(page(args), (found) => found.map(({ name }) => name))

const Diagnostics = Schema.Struct({
  ok: Schema.Boolean,
  diagnostics: Schema.Array(
    Schema.Struct({
      level: Schema.String,
      code: Schema.String,
      message: Schema.String,
      field: Schema.NullOr(Schema.String)
    })
  )
})

const testing = Effect.fnUntraced(function* (input: Record<string, unknown>) {
  const document = `mutation T($input: TestEndpointInput!) {
    testEndpoint(input: $input) { ok diagnostics { level code message field } }
  }`
  const answer = yield* ask(document, { input: { templateId: "memory.table", type: "source", ...input } })
  return yield* field(answer, "testEndpoint", Diagnostics)
})

const parameters = { host: "db", username: "app", password: "hunter2" }

layer(MemoryServer.layer(), { excludeTestServices: true })("registering an endpoint", (it) => {
  it.effect("answers the row with a UUID, a made sourceId and every thin field empty", () =>
    Effect.gen(function* () {
      const { id } = yield* register({ ...MemoryServer.source(), projectSlug: "thin" })

      const answer = yield* ask(`{ endpoints(projectSlug: "thin") {
        id sourceId projectId name verb labels capabilities detectedVersion isDeleted deletedAt deletionReason
        createdAt updatedAt runs(limit: 5) { id } datasets(limit: 5, search: "x") { id }
      } }`)

      const Row = Schema.StructWithRest(
        Schema.Struct({ sourceId: Schema.String, createdAt: Schema.String }),
        [Schema.Record(Schema.String, Schema.Json)]
      )
      const [row] = yield* field(answer, "endpoints", Schema.Array(Row))
      assert.match(id, /^[0-9a-f-]{36}$/)
      assert.match(row?.sourceId ?? "", /^thin-shop-[0-9a-f]+$/)
      assert.match(row?.createdAt ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.deepInclude(row, {
        projectId: "thin",
        name: "Shop",
        verb: "POST",
        labels: ["memory"],
        detectedVersion: "1",
        isDeleted: false,
        deletedAt: null,
        deletionReason: null,
        runs: [],
        datasets: []
      })
    })
  )

  it.effect("shows no secret in config or url, to anybody (D12)", () =>
    Effect.gen(function* () {
      const registered = yield* register({ ...MemoryServer.source(), projectSlug: "secrets" })
      const plain = {
        name: "Plain",
        url: "https://ada:hunter2@host/x",
        projectSlug: "secrets",
        config: { api_key: "hunter2" }
      }
      yield* register(plain)

      const answer = yield* ask(`{ endpoints(projectSlug: "secrets") { url config } }`)

      assert.notInclude(JSON.stringify([registered, answer]), "hunter2")
      assert.deepInclude(registered.config, { parameters: { ...parameters, password: "****" } })
    })
  )

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

  it.effect("keeps other keys of config untouched, in their order", () =>
    Effect.gen(function* () {
      const config = { z: [1, { b: null }], a: "x", ingestionPolicy: { zeta: 1, alpha: 2 } }

      const registered = yield* register({ name: "Kept", url: "https://x", config })

      assert.strictEqual(JSON.stringify(registered.config), JSON.stringify(config))
    })
  )

  it.effect("refuses a connection that does not work with E_CONN_TEST_FAILED, and stores nothing", () =>
    Effect.gen(function* () {
      const config = { templateId: "memory.table", parameters: { ...parameters, host: "unreachable" } }

      const answer = yield* registering({ name: "Gone", projectSlug: "broken", config })

      assert.deepStrictEqual(codes(answer), ["E_CONN_TEST_FAILED"])
      assert.deepStrictEqual(yield* names(`projectSlug: "broken"`), [])
    })
  )

  it.effect(
    "refuses an unknown template, a missing url, a taken sourceId and a config that is no object",
    () =>
      Effect.gen(function* () {
        yield* register({ name: "First", sourceId: "taken", url: "https://x" })

        const answers = yield* Effect.forEach(
          [
            { name: "A", config: { templateId: "no.such" } },
            { name: "B" },
            { name: "C", sourceId: "taken", url: "https://x" }
          ],
          registering
        )
        const wrong = yield* ask(
          `mutation { registerEndpoint(input: { name: "D", verb: "POST", config: 5 }) { id } }`
        )

        assert.deepStrictEqual([...answers, wrong].flatMap(codes), [
          "E_CONN_TEST_FAILED",
          "E_ENDPOINT_URL_REQUIRED",
          "E_DUPLICATE_SOURCE_ID",
          "E_INPUT_INVALID"
        ])
        assert.strictEqual(answers[2]?.errors?.[0]?.extensions?.["sourceId"], "taken")
      })
  )
})

layer(MemoryServer.layer(), { excludeTestServices: true })("looking at endpoints", (it) => {
  it.effect("is empty in an empty store: nothing is invented", () =>
    Effect.gen(function* () {
      const answer = yield* ask('{ endpoints { id } endpoint(id: "nobody") { id } }')

      assert.deepStrictEqual(answer.data, { endpoints: [], endpoint: null })
    })
  )

  it.effect("pages with after without skipping or repeating, and clamps first", () =>
    Effect.gen(function* () {
      yield* Effect.forEach(["A", "B", "C"], (name) =>
        register({ name, url: "https://x", projectSlug: "pages" })
      )
      const [first] = yield* page(`projectSlug: "pages", first: 1`)

      const rest = yield* names(`projectSlug: "pages", first: 200, after: "${first?.id}"`)
      const atLeastOne = yield* names(`projectSlug: "pages", first: -3`)
      const unknownAfter = yield* names(`projectSlug: "pages", after: "nobody"`)

      assert.deepStrictEqual(
        [first?.name, rest, atLeastOne, unknownAfter],
        ["A", ["B", "C"], ["A"], ["A", "B", "C"]]
      )
    })
  )

  it.effect("searches what is shown, and takes both names of a capability (D8)", () =>
    Effect.gen(function* () {
      yield* register({ ...MemoryServer.source(), projectSlug: "search" })

      const found = yield* Effect.forEach(
        [
          `search: " sHoP "`,
          `search: "hunter2"`,
          `capability: "metadata"`,
          `capability: "metadata.collect"`,
          `capability: "sink.file"`
        ],
        (filter) => names(`projectSlug: "search", ${filter}`)
      )

      assert.deepStrictEqual(found, [["Shop"], [], ["Shop"], ["Shop"], []])
    })
  )

  it.effect("finds one by row id only, and never in another project", () =>
    Effect.gen(function* () {
      const mine = yield* register({ name: "Mine", url: "https://x", sourceId: "mine" })
      const other = yield* register({ name: "Other", url: "https://x", projectSlug: "elsewhere" })

      const answer = yield* ask(
        `query E($a: ID!, $b: ID!) { a: endpoint(id: $a) { name } b: endpoint(id: "mine") { name } c: endpoint(id: $b) { name } d: endpoint(id: "") { name } }`,
        { a: mine.id, b: other.id }
      )

      assert.deepStrictEqual(answer, { data: { a: { name: "Mine" }, b: null, c: null, d: null } })
    })
  )

  it.effect("serves one list of templates under both names, filtered by family (P5)", () =>
    Effect.gen(function* () {
      const answer = yield* ask(`{
        metadataEndpointTemplates { id } endpointTemplates { id }
        files: endpointTemplates(family: FILE) { id family } streams: endpointTemplates(family: STREAM) { id }
      }`)

      assert.deepStrictEqual(answer.data?.["metadataEndpointTemplates"], answer.data?.["endpointTemplates"])
      assert.deepInclude(answer.data, { files: [{ id: "memory.lake", family: "FILE" }], streams: [] })
    })
  )
})

layer(MemoryServer.layer(), { excludeTestServices: true })("testing a connection", (it) => {
  it.effect("answers CONNECTION_OK when it works", () =>
    Effect.gen(function* () {
      const { ok, diagnostics } = yield* testing({ connection: parameters })

      assert.isTrue(ok)
      assert.deepStrictEqual(
        diagnostics.map(({ level, code }) => `${level} ${code}`),
        ["INFO CONNECTION_OK"]
      )
    })
  )

  it.effect("answers E_CONN_TEST_FAILED and the parameter to blame, as data, when it does not", () =>
    Effect.gen(function* () {
      const { ok, diagnostics } = yield* testing({ connection: { ...parameters, host: "unreachable" } })

      assert.isFalse(ok)
      assert.deepInclude(diagnostics[0], { level: "ERROR", code: "E_CONN_TEST_FAILED", field: "host" })
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
})
