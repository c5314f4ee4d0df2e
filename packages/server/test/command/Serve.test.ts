import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Result } from "effect"
import { join } from "node:path"
import * as Shop from "../scenario/Shop.ts"
import * as HeadraceCommand from "./HeadraceCommand.ts"
import * as Place from "./Place.ts"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const

const health = (url: string) =>
  Effect.promise(async () => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "{ health { status } }" })
    })
    return await response.text()
  })

/** A PostgreSQL that is none of the data directory's, as a url. */
const ownDatabase = Effect.gen(function* () {
  const { host, shop } = yield* Place.Place
  yield* shop.control`create database own`
  return `postgres://postgres@localhost/own?host=${host}`
})

layer(Place.layer, live)("headrace serve", (it) => {
  it.effect(
    "answers once it says so, shares its database with the command, and ends in order at a signal",
    () =>
      Effect.gen(function* () {
        const { headrace, shop, surroundings, uri } = yield* Place.Place
        yield* Shop.makeTable(shop, "shared", 10)
        const environment = { ...surroundings.environment, HEADRACE_PORT: "0" }
        const server = yield* HeadraceCommand.begun(
          "headrace",
          ["serve", "-o", "jsonl", "--progress", "tty"],
          {
            ...surroundings,
            environment
          }
        )
        const [ready] = HeadraceCommand.jsonLines(yield* server.printed("server.ready"))

        const answer = yield* health(String(ready?.["url"]))
        const beside = yield* headrace("ingest", "--source", uri, "-u", "public.shared", "--sink", "./shared")
        const second = yield* headrace("serve")
        const looked = yield* headrace("doctor")
        server.child.kill("SIGTERM")
        const ended = yield* server.ended

        assert.strictEqual(answer, '{"data":{"health":{"status":"ok"}}}')
        assert.strictEqual(beside.exit, 0, beside.stderr)
        assert.strictEqual(second.exit, 8)
        assert.match(second.stderr, /A server already runs for this data directory +HR5601/)
        assert.include(looked.stdout, `runs and answers at ${String(ready?.["url"])}`)
        assert.strictEqual(ended.exit, 0, ended.stderr)
        assert.include(ended.stderr, `  Serving ${String(ready?.["url"])}   (Ctrl-C stops)\n`)
      })
  )

  it.effect("of several that start at once exactly one serves, and the others say where", () =>
    Effect.gen(function* () {
      const { surroundings } = yield* Place.Place
      const environment = { ...surroundings.environment, HEADRACE_PORT: "0" }
      const serve = HeadraceCommand.begun("headrace", ["serve", "-o", "jsonl"], {
        ...surroundings,
        environment
      })
      const several = yield* Effect.replicateEffect(serve, 3)

      const ready = yield* Effect.forEach(several, ({ printed }) => Effect.exit(printed("server.ready")), {
        concurrency: "unbounded"
      })
      const lines = ready.filter(Exit.isSuccess).map(({ value }) => value)
      const url = String(HeadraceCommand.jsonLines(lines[0] ?? "")[0]?.["url"])
      const refused = several.filter((_, index) => ready[index]?._tag === "Failure")
      const ends = yield* Effect.forEach(refused, ({ ended }) => ended)

      assert.strictEqual(lines.length, 1)
      assert.deepStrictEqual(
        ends.map(({ exit }) => exit),
        [8, 8]
      )
      for (const { stderr } of ends) assert.include(stderr, `It answers at ${url}`)
    })
  )

  it.effect("ends in order when npm's shell dies of the signal that was meant for it", () =>
    Effect.gen(function* () {
      const { surroundings } = yield* Place.Place
      const environment = { ...surroundings.environment, HEADRACE_PORT: "0", npm_command: "exec" }
      const server = yield* HeadraceCommand.begun("headrace", ["serve", "-o", "jsonl"], {
        ...surroundings,
        environment,
        belowShell: true
      })
      const [ready] = HeadraceCommand.jsonLines(yield* server.printed("server.ready"))
      server.child.kill("SIGTERM")

      // Its output is closed when the last of both has ended.
      yield* server.ended
      const answer = yield* Effect.result(Effect.tryPromise(() => fetch(String(ready?.["url"]))))

      assert.isTrue(Result.isFailure(answer), "it still answers")
    })
  )

  it.effect("says which port is taken, or which database does not answer, and what to do", () =>
    Effect.gen(function* () {
      const { surroundings, folder } = yield* Place.Place
      const environment = { ...surroundings.environment, HEADRACE_PORT: "0" }
      const first = yield* HeadraceCommand.begun("headrace", ["serve", "-o", "jsonl"], {
        ...surroundings,
        environment
      })
      const [ready] = HeadraceCommand.jsonLines(yield* first.printed("server.ready"))
      const { port } = new URL(String(ready?.["url"]))

      const other = (environment: Readonly<Record<string, string>>) =>
        HeadraceCommand.run("headrace", ["serve"], { folder, data: join(folder, "other"), environment })

      const taken = yield* other({ HEADRACE_PORT: port, HEADRACE_DATABASE_URL: yield* ownDatabase })
      const away = yield* other({ HEADRACE_DATABASE_URL: "postgres://nobody@127.0.0.1:1/nowhere" })

      assert.deepStrictEqual([taken.exit, away.exit], [3, 3])
      assert.match(taken.stderr, /✗ The port cannot be opened +HR1501[^]*is taken[^]*HEADRACE_PORT/)
      assert.match(away.stderr, /✗ The database cannot be used +HR1302[^]*127\.0\.0\.1:1/)
    })
  )
})
