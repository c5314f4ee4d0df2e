import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, HashSet, Ref } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { load } from "../../src/Config.ts"
import * as Pages from "./Pages.ts"

/** Every variable that loading the settings asks for. */
const asked = Effect.gen(function* () {
  const names = yield* Ref.make(HashSet.empty<string>())
  const provider = ConfigProvider.make((path) =>
    Effect.as(Ref.update(names, HashSet.add(path.join("."))), undefined)
  )
  yield* Effect.provideService(load, ConfigProvider.ConfigProvider, provider)
  return Array.from(yield* Ref.get(names)).toSorted()
})

const python = join(Pages.repository, "python/src/headrace")

/** Every variable that the data plane reads. */
const workers = readdirSync(python, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".py"))
  .flatMap((name) =>
    Array.from(
      readFileSync(join(python, name), "utf8").matchAll(/"(HEADRACE_\w+)"/g),
      ([, found = ""]) => found
    )
  )

describe("the settings", () => {
  it.effect("in the table are those that are read, and no other", () =>
    Effect.gen(function* () {
      const documented = Pages.column("docs/architecture.md", "Settings", 0)

      assert.deepStrictEqual(documented.toSorted(), yield* asked)
    })
  )

  it.effect("that any page names exist", () =>
    Effect.gen(function* () {
      const known = new Set([...(yield* asked), ...workers])
      const named = Pages.pages.flatMap((page) => Pages.read(page).match(/HEADRACE_\w+/g) ?? [])

      assert.deepStrictEqual(
        named.filter((name) => !known.has(name)),
        []
      )
    })
  )
})
