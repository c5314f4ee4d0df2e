import { assert, it } from "@effect/vitest"
import { adviceFor, refused } from "@headrace/adapters/sql/EmbeddedPostgresError"

it.each([
  ["initdb: error: could not write to file: No space left on device", /^Free some disk space/],
  ["ENOSPC: no space left on device, mkdir '/data'", /^Free some disk space/],
  ["EACCES: permission denied, mkdir '/data'", /right to write there.*HEADRACE_DATA/],
  ["EROFS: read-only file system, mkdir '/data'", /right to write there.*HEADRACE_DATA/],
  ["FATAL: data directory has wrong ownership", /as the user who owns the folder/],
  ["could not find a valid checkpoint record", /restore it from a copy or move it away/]
])("of %j a person learns what to do", (why, advice) => {
  assert.match(adviceFor(why), advice)
})

it("an error says what failed, where, why and what to do", () => {
  const error = refused("initdb", "/data")(new Error("No space left on device"))

  assert.strictEqual(
    error.message,
    "A new database cannot be made (/data): No space left on device. Free some disk space, or set HEADRACE_DATABASE_URL to use a PostgreSQL of your own."
  )
})
