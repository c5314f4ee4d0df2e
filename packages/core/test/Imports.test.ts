/**
 * Who may import whom, executed over every package; type imports count. A row
 * names a folder or, where one file needs more than its folder, that file; the
 * longest row that fits a file is its row. What has no row fails.
 */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { posix } from "node:path"

const packages = new URL("../../", import.meta.url)

interface Row {
  /** Places of ours beside its own folder. */
  readonly ours?: ReadonlyArray<string>
  /** Libraries; `x/*` is everything below `x`. `effect` is its stable half in core. */
  readonly libraries?: ReadonlyArray<string>
}

const contracts = ["core/domain", "core/protocol", "core/services"]
const adapter = (...vendor: ReadonlyArray<string>): Row => ({
  ours: [...contracts, "adapters/sql"],
  libraries: ["effect", "effect/*", "@effect/*", "node:*", ...vendor]
})
const server = (...ours: ReadonlyArray<string>): Row => ({
  ours,
  libraries: ["effect", "effect/*", "@effect/platform-node/*", "node:*"]
})
const seen = ["core/domain", "core/services", "core/lifecycle"]

const rows: Readonly<Record<string, Row>> = {
  "core/domain": { libraries: ["effect"] },
  "core/protocol": { ours: ["core/domain"], libraries: ["effect"] },
  "core/services": { ours: ["core/domain", "core/protocol"], libraries: ["effect"] },
  // The reference worker speaks the protocol, as the service it is the reference of does.
  "core/memory": { ours: contracts, libraries: ["effect"] },
  "core/lifecycle": { ours: contracts, libraries: ["effect"] },
  // Headrace as layers: the one file that puts lifecycle and reference adapters together, for whoever embeds it.
  "core/lifecycle/Headrace.ts": { ours: [...contracts, "core/memory"], libraries: ["effect"] },
  "core/testing": { ours: contracts, libraries: ["effect", "@effect/vitest", "effect/testing", "node:fs"] },
  "core/testing.ts": { ours: ["core/testing"] },

  "adapters/endpoint": adapter(),
  "adapters/kv": adapter(),
  "adapters/ledger": adapter(),
  "adapters/quarantine": adapter(),
  "adapters/run": adapter(),
  "adapters/sql": adapter(),
  "adapters/template": adapter(),
  "adapters/unit-state": adapter(),
  "adapters/worker": adapter("msgpackr"),

  "server/main.ts": server("server/cli"),
  "server/start.ts": server("server/cli", "server/start"),
  "server/Config.ts": server("server/http"),
  "server/PrivateFolder.ts": server(),
  "server/SecretKeyFile.ts": server(),
  "server/ServerLog.ts": server(),
  "server/ApiClient.ts": server(),
  "server/RunningServer.ts": server("server/ApiClient.ts", "server/PrivateFolder.ts"),
  "server/Serve.ts": server("server/Config.ts", "server/Wiring.ts", "server/http"),
  // The one file that chooses adapters.
  "server/Wiring.ts": server(
    ...contracts,
    "core/memory",
    "core/lifecycle",
    "adapters/*",
    "server/Config.ts",
    "server/PrivateFolder.ts",
    "server/SecretKeyFile.ts"
  ),
  "server/graphql": {
    ours: seen,
    libraries: [
      "effect",
      "effect/http",
      "effect/sql/*",
      "@effect/platform-node/*",
      "graphql",
      "graphql-helix",
      "node:*"
    ]
  },
  "server/http": {
    ours: [...seen, "server/Config.ts", "server/graphql"],
    libraries: ["effect", "effect/http", "@effect/platform-node/*", "graphql", "node:*"]
  },
  "server/cli": server(...seen, "server/Config.ts"),
  // Verbs have Headrace through this file and no other.
  "server/cli/Engine.ts": server(...seen, "server/Config.ts", "server/Wiring.ts"),
  // It looks at the parts themselves: whether the database answers, who listens already.
  "server/cli/verbs/Doctor.ts": server(
    ...seen,
    "server/Config.ts",
    "server/RunningServer.ts",
    "server/Wiring.ts"
  ),
  "server/cli/verbs/Serve.ts": server(
    ...seen,
    "server/Config.ts",
    "server/Serve.ts",
    "server/ServerLog.ts",
    "server/RunningServer.ts"
  ),
  "server/start": server(
    ...seen,
    "server/cli",
    "server/ApiClient.ts",
    "server/Config.ts",
    "server/RunningServer.ts",
    "server/ServerLog.ts",
    "server/Wiring.ts"
  ),
  // The sample shop is somebody else's database, with a server of its own.
  "server/start/SampleDatabase.ts": {
    ours: ["adapters/sql"],
    libraries: ["effect/*", "@effect/sql-pg/*", "node:*"]
  }
}

/** Names of `effect` that may change in a minor release. */
const unstable = ["Arbitrary", "FileSystem", "Graph", "Path", "Stdio", "Terminal"]

const names = String.raw`(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\w+|(?:\w+\s*,\s*)?\{[^}]*\})`
const statement = new RegExp(
  String.raw`^(?:import|export)\s+(${names})\s+from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"`,
  "gm"
)

interface Import {
  readonly names: ReadonlyArray<string>
  readonly from: string
}

const importsOf = (text: string): ReadonlyArray<Import> =>
  Array.from(text.matchAll(statement), ([, list = "", from, bare, dynamic]) => ({
    names: list.match(/\w+/g) ?? [],
    from: from ?? bare ?? dynamic ?? ""
  }))

/** `core/src/domain/Run.ts` is at `core/domain/Run.ts`. */
const placeOf = (file: string) => file.replace("/src/", "/")

/** What an import names, as a place of ours or as a library. */
const targetOf = (file: string, from: string): string => {
  if (from.startsWith(".")) return placeOf(posix.join(posix.dirname(file), from))
  return from.startsWith("@headrace/") ? `${from.slice("@headrace/".length)}.ts` : from
}

const isOurs = (target: string) => /^(core|adapters|server)\//.test(target)

const fits = (place: string, target: string) =>
  place === target || target.startsWith(`${place.replace(/\/\*$/, "")}/`)

const isListed = (list: ReadonlyArray<string>, target: string) =>
  list.some((each) => each === target || (/[/:]\*$/.test(each) && target.startsWith(each.slice(0, -1))))

const rowOf = (file: string): string | undefined =>
  Object.keys(rows)
    .filter((place) => fits(place, placeOf(file)))
    .toSorted((a, b) => b.length - a.length)[0]

/** The folder whose files are one another's own, or the file that stands alone. */
const homeOf = (file: string) => placeOf(file).split("/").slice(0, 2).join("/")

const forbidden = (file: string): ReadonlyArray<string> => {
  const { ours = [], libraries = [] } = rows[rowOf(file) ?? ""] ?? {}
  return importsOf(readFileSync(new URL(file, packages), "utf8")).flatMap((each) => {
    const target = targetOf(file, each.from)
    if (isOurs(target))
      return fits(homeOf(file), target) || ours.some((place) => fits(place, target)) ? [] : [target]
    if (!isListed(libraries, target)) return [target]
    const changing = target === "effect" && file.startsWith("core/") ? unstable : []
    return each.names.filter((name) => changing.includes(name)).map((name) => `effect: ${name}`)
  })
}

const files = readdirSync(packages, { recursive: true, encoding: "utf8" })
  .filter((file) => /^(core|adapters|server)\/src\/.*\.ts$/.test(file))
  .toSorted()

describe("the table", () => {
  it("has a row for every folder, and no row for what is gone", () => {
    const used = new Set(files.map(rowOf))

    assert.deepStrictEqual(
      files.filter((file) => rowOf(file) === undefined),
      []
    )
    assert.deepStrictEqual(
      Object.keys(rows).filter((place) => !used.has(place)),
      []
    )
  })

  it("sees imports of every form, of types too, and none in a text", () => {
    const text = [
      `import { a, type B } from "one"`,
      `import type { C } from "two"`,
      `import * as D from "three"`,
      `import E, {\n  f\n} from "four"`,
      `export * as G from "five"`,
      `export { h } from "six"`,
      `import "seven"`,
      `const i = await import("eight")`,
      'export const sql = `select * from "nine"`'
    ].join("\n")

    assert.deepStrictEqual(
      importsOf(text).map(({ from }) => from),
      ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    )
  })
})

describe("every file imports only what its row allows", () => {
  it.each(files)("%s", (file) => {
    assert.deepStrictEqual(forbidden(file), [])
  })
})
