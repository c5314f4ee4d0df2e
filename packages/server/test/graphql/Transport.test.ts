import { assert, describe, layer } from "@effect/vitest"
import { Deferred, Effect, Layer, Queue, References } from "effect"
import { serverAudits } from "graphql-http"
import { InputInvalid } from "../../src/graphql/errors.ts"
import * as Server from "../../src/http/Server.ts"
import { answerOf, ask, codes, origin, post, request } from "../GraphqlClient.ts"
import { silentSchema } from "../SilentSchema.ts"

/** Resolvers that answer nothing, but for a few that misbehave. */
const signals = Queue.unbounded<string>().pipe(Effect.runSync)
const never = (name: string) =>
  Effect.onInterrupt(Effect.andThen(Queue.offer(signals, `${name} began`), Effect.never), () =>
    Queue.offer(signals, `${name} interrupted`)
  )
const mayFinish = Deferred.makeUnsafe<void>()
const schema = silentSchema({
  Query: {
    endpoint: () => Effect.fail(new InputInvalid({ detail: "There is no such thing." })),
    ingestionStatus: () => Effect.die(new Error("password=hunter2")),
    endpoints: () => never("endpoints")
  },
  Mutation: {
    pauseIngestion: () =>
      Queue.offer(signals, "pause began").pipe(
        Effect.andThen(Deferred.await(mayFinish)),
        Effect.andThen(Queue.offer(signals, "pause finished")),
        Effect.as({ ok: true })
      )
  }
})

const Live = Server.layer<never>(schema, { host: "127.0.0.1", port: 0 }).pipe(
  Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
)
const graphqlJson = "application/graphql-response+json"

layer(Live, { excludeTestServices: true })("GraphQL over HTTP", (it) => {
  it.effect("passes all 61 audits of graphql-http", () =>
    Effect.gen(function* () {
      const audits = serverAudits({ url: `${yield* origin}/graphql`, fetchFn: fetch })

      const results = yield* Effect.promise(() => Promise.all(audits.map((audit) => audit.fn())))

      assert.deepStrictEqual(
        results.filter(({ status }) => status !== "ok").map(({ name }) => name),
        []
      )
      assert.strictEqual(results.length, 61)
    })
  )

  it.effect("answers 200 under application/json to a document that does not parse, validate or execute", () =>
    Effect.gen(function* () {
      const documents = ["{", "{ nothing }", "query ($n: Int!) { health { status } }", "{ ingestionStatus }"]

      const statuses = yield* Effect.forEach(documents, (query) =>
        Effect.map(post({ query }), (r) => r.status)
      )

      assert.deepStrictEqual(statuses, [200, 200, 200, 200])
    })
  )

  it.effect("answers 400 under the newer type when no data came about", () =>
    Effect.gen(function* () {
      const response = yield* post({ query: "{ nothing }" }, { accept: graphqlJson })

      assert.strictEqual(response.status, 400)
      assert.include(response.headers.get("content-type"), graphqlJson)
    })
  )

  it.effect("refuses a mutation over GET with 405 and does not run it", () =>
    Effect.gen(function* () {
      const query = encodeURIComponent('mutation { pauseIngestion(endpointId: "e", unitId: "u") { ok } }')

      const response = yield* request(`/graphql?query=${query}`)

      assert.strictEqual(response.status, 405)
      assert.strictEqual(yield* Queue.size(signals), 0)
    })
  )

  it.effect("leaves other fields intact when a nullable one fails, and keeps a declared code", () =>
    Effect.gen(function* () {
      const answer = yield* ask(`{ endpoint(id: "e") { id } __typename }`)

      assert.deepStrictEqual(answer.data, { endpoint: null, __typename: "Query" })
      assert.deepStrictEqual(codes(answer), ["E_INPUT_INVALID"])
    })
  )

  it.effect("masks what nobody declared: no text of it leaves the server", () =>
    Effect.gen(function* () {
      const answer = yield* ask(`{ ingestionStatus(endpointId: "e", unitId: "u") { state } }`)

      assert.deepStrictEqual(codes(answer), ["INTERNAL_SERVER_ERROR"])
      assert.notInclude(JSON.stringify(answer), "hunter2")
    })
  )

  it.effect("masks a null where the schema allows none", () =>
    Effect.gen(function* () {
      const answer = yield* ask("{ health { status } }")

      assert.deepStrictEqual(codes(answer), ["INTERNAL_SERVER_ERROR"])
      assert.notInclude(JSON.stringify(answer), "Cannot return null")
    })
  )

  it.effect("interrupts a query whose client goes away", () =>
    Effect.gen(function* () {
      const abort = new AbortController()
      const body = JSON.stringify({ query: "{ endpoints { id } }" })
      const headers = { "content-type": "application/json" }
      const url = `${yield* origin}/graphql`
      const answer = fetch(url, { method: "POST", body, headers, signal: abort.signal }).catch(() => "gone")

      const began = yield* Queue.take(signals)
      abort.abort()
      const ended = yield* Queue.take(signals)

      assert.deepStrictEqual([began, ended], ["endpoints began", "endpoints interrupted"])
      assert.strictEqual(yield* Effect.promise(() => answer), "gone")
    })
  )

  it.effect("carries a mutation to its end when its client goes away", () =>
    Effect.gen(function* () {
      const abort = new AbortController()
      const query = 'mutation { pauseIngestion(endpointId: "e", unitId: "u") { ok } }'
      const headers = { "content-type": "application/json" }
      const url = `${yield* origin}/graphql`
      const body = JSON.stringify({ query })
      const answer = fetch(url, { method: "POST", body, headers, signal: abort.signal }).catch(() => "gone")

      yield* Queue.take(signals)
      abort.abort()
      yield* Effect.promise(() => answer)
      yield* Deferred.succeed(mayFinish, undefined)

      assert.strictEqual(yield* Queue.take(signals), "pause finished")
    })
  )

  it.effect("refuses a body above 1 MiB with 413, with and without a declared length", () =>
    Effect.gen(function* () {
      const body = JSON.stringify({ query: "{ health { status } }", padding: "x".repeat(1024 * 1024) })
      const headers = { "content-type": "application/json" }
      const streamed: RequestInit = {
        method: "POST",
        headers,
        duplex: "half",
        body: new Blob([body]).stream()
      }

      const declared = yield* post(body)
      const undeclared = yield* request("/graphql", streamed)

      assert.deepStrictEqual([declared.status, undeclared.status], [413, 413])
    })
  )

  it.effect("takes application/json and nothing a foreign form could send (415)", () =>
    Effect.gen(function* () {
      const types = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]

      const responses = yield* Effect.forEach(types, (type) =>
        post({ query: "{ __typename }" }, { "content-type": type })
      )

      assert.deepStrictEqual(
        responses.map(({ status }) => status),
        [415, 415, 415]
      )
    })
  )

  it.effect("refuses a body that is no GraphQL request with 400, arrays of requests included", () =>
    Effect.gen(function* () {
      const bodies = [
        "",
        "{",
        "[]",
        '[{"query":"{ __typename }"}]',
        "{}",
        '{"query":1}',
        '{"query":"{ a }","variables":[]}'
      ]

      const responses = yield* Effect.forEach(bodies, (body) => post(body))

      assert.deepStrictEqual(
        responses.map(({ status }) => status),
        bodies.map(() => 400)
      )
    })
  )

  it.effect("is never cached and never taken for another type", () =>
    Effect.gen(function* () {
      const response = yield* post({ query: "{ __typename }" })

      assert.strictEqual(response.headers.get("x-content-type-options"), "nosniff")
      assert.strictEqual(response.headers.get("cache-control"), "no-store")
    })
  )
})

describe("the console", () => {
  layer(Live, { excludeTestServices: true })("on the GraphQL path", (it) => {
    it.effect("is shown to a browser, also from /, and loads nothing from elsewhere", () =>
      Effect.gen(function* () {
        const response = yield* request("/", { headers: { accept: "text/html,*/*;q=0.8" } })

        const page = yield* Effect.promise(() => response.text())

        assert.strictEqual(response.status, 200)
        assert.include(page, "<textarea")
        assert.notMatch(page, /(src|href)=|https?:\/\//)
        assert.match(
          response.headers.get("content-security-policy") ?? "",
          /default-src 'none'.*script-src 'sha256-/
        )
      })
    )

    it.effect("is not shown to a program", () =>
      Effect.gen(function* () {
        const response = yield* answerOf(yield* request("/graphql?query=%7B__typename%7D"))

        assert.deepStrictEqual(response.data, { __typename: "Query" })
      })
    )
  })
})
