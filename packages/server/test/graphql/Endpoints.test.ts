import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { field, register, registering, testing } from "../Api.ts"
import { ask, codes } from "../GraphqlClient.ts"
import * as MemoryServer from "../MemoryServer.ts"

const Rows = Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String }))

const page = (args: string) =>
  Effect.gen(function* () {
    const answer = yield* ask(`{ endpoints(${args}) { id name } }`)
    return yield* field(answer, "endpoints", Rows)
  })

const names = (args: string) => Effect.map(page(args), (found) => found.map(({ name }) => name))

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
      const blank = yield* register({ name: "Blank", sourceId: " ", url: "https://x" })
      assert.match(blank.sourceId, /^global-blank-[0-9a-f]+$/)
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

  const nested = (depth: number) => JSON.parse(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`)

  it.effect.each([
    ["a name with a NUL", { name: "a\0b" }, /\["name"\]|must not hold a NUL character/],
    ["half of a surrogate pair", { name: "x", description: "a\uD800" }, /surrogate pair/],
    ["a NUL in a label", { name: "x", labels: ["ok", "a\0"] }, /must not hold a NUL character/],
    [
      "a NUL in the configuration",
      { name: "x", config: { parameters: { host: "d\0b" } } },
      /parameters\.host must not hold a NUL character; leave it out/
    ],
    ["a NUL in a key", { name: "x", config: { p: { "ke\0y": 1 } } }, /p\.ke must not hold a NUL character/],
    ["a deep configuration", { name: "x", config: nested(65) }, /must not be nested deeper than 64 levels/],
    [
      "one deeper than any stack",
      { name: "x", config: nested(4_000) },
      /must not be nested deeper than 64 levels/
    ]
  ] as const)("refuses %s, and says which field and what to do", ([, input, why]) =>
    Effect.gen(function* () {
      const answer = yield* registering({ url: "https://x", ...input })

      assert.deepStrictEqual(codes(answer), ["E_INPUT_INVALID"])
      assert.match(answer.errors?.[0]?.message ?? "", why)
      assert.isBelow(JSON.stringify(answer).length, 1000)
    })
  )

  it.effect("takes a configuration as deep as may be", () =>
    Effect.gen(function* () {
      const { id } = yield* register({ name: "Deep", url: "https://x", config: nested(64) })

      assert.match(id, /^[0-9a-f-]{36}$/)
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

  it.effect("warns of a parameter that the template does not have, and goes by the others", () =>
    Effect.gen(function* () {
      const { ok, diagnostics } = yield* testing({ connection: { ...parameters, usrname: "eve" } })

      assert.isTrue(ok)
      assert.deepStrictEqual(
        diagnostics.map(({ level, code, field, hint }) => [level, code, field, hint]),
        [
          ["INFO", "CONNECTION_OK", null, null],
          ["WARN", "UNKNOWN_PARAMETER", "usrname", "Did you mean username?"]
        ]
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
})
