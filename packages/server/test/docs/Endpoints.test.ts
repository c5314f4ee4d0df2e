import * as SocketPythonWorker from "@headrace/adapters/worker/SocketPythonWorker"
import { assert, layer } from "@effect/vitest"
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import { Effect, Layer, References } from "effect"
import { buildSchema, parse, validate } from "graphql"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileSettings } from "../../src/cli/PathReference.ts"
import { python } from "../scenario/Lake.ts"
import * as Pages from "./Pages.ts"

const page = "docs/ENDPOINTS.md"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "hr-docs-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const worker = Layer.unwrap(
  Effect.map(folder, (stagingDir) => SocketPythonWorker.layer({ python, workers: 1, stagingDir }))
).pipe(Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None")))

const templates = PythonWorker.use((asked) => asked.listTemplates(null))

layer(worker, { excludeTestServices: true })("the page about endpoints", (it) => {
  it.effect("lists the templates of a real worker with their family and capabilities, and no other", () =>
    Effect.gen(function* () {
      const listed = Pages.rows(page, "Endpoints").map(([id = "", family, , , , capabilities = ""]) => ({
        id: Pages.codes(id)[0],
        family,
        capabilities: Pages.codes(capabilities)
      }))

      const real = (yield* templates).map(({ id, family, capabilities }) => ({
        id,
        family,
        capabilities: capabilities.map(({ key }) => key)
      }))
      assert.sameDeepMembers<unknown>(listed, real)
    })
  )

  it.effect("says yes to a role exactly where a capability stands for it", () =>
    Effect.gen(function* () {
      const roles = Pages.rows(page, "Endpoints").map(([id = "", , source, sink]) => [
        Pages.codes(id)[0],
        source,
        sink
      ])

      const real = (yield* templates).map(({ id, capabilities }) => {
        const can = (prefix: string) => (capabilities.some(({ key }) => key.startsWith(prefix)) ? "yes" : "–")
        return [id, can("ingest."), can("sink.")]
      })
      assert.sameDeepMembers<unknown>(roles, real)
    })
  )

  it.effect("names parameters of files that the command knows as settings, and leaves out none", () =>
    Effect.gen(function* () {
      const files = (yield* templates).find(({ id }) => id === "file.local")

      assert.sameMembers(["base_path", ...fileSettings], files?.fields.map(({ key }) => key) ?? [])
    })
  )

  it.effect("lists each template's parameters in the order of its form, as its form has them", () =>
    Effect.gen(function* () {
      for (const { id, fields } of yield* templates) {
        const listed = Pages.rows(page, id)
          .filter(([, type = ""]) => /^[A-Z]+(, secret)?$/.test(type))
          .map(([key = "", type, required, value = ""]) => [
            Pages.codes(key)[0],
            type,
            required,
            value.replaceAll("`", "")
          ])

        assert.deepStrictEqual(
          listed,
          fields.map(({ key, valueType, sensitive, required, defaultValue }) => [
            key,
            `${valueType}${sensitive ? ", secret" : ""}`,
            required ? "yes" : "",
            defaultValue ?? ""
          ])
        )
      }
    })
  )

  it.effect("shows requests that the schema takes", () =>
    Effect.sync(() => {
      const schema = buildSchema(Pages.read("packages/server/src/graphql/schema.graphql"))
      const documents = Pages.pages.flatMap((each) => Pages.blocks(each, "graphql"))

      assert.isNotEmpty(documents)
      for (const document of documents) assert.deepStrictEqual(validate(schema, parse(document)), [])
    })
  )
})
