import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { prepare } from "../src/PrivateFolder.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "hr-folder-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)
const modeOf = (path: string) => statSync(path).mode & 0o777

describe("PrivateFolder", () => {
  it.effect("makes a folder nobody else can enter", () =>
    Effect.gen(function* () {
      const path = yield* prepare(join(yield* temporary, "a", "data"))

      assert.strictEqual(modeOf(path), 0o700)
    })
  )

  it.effect("takes other people's rights from a folder that is there", () =>
    Effect.gen(function* () {
      const folder = join(yield* temporary, "data")
      mkdirSync(folder)
      chmodSync(folder, 0o755)

      const path = yield* prepare(folder)

      assert.strictEqual(modeOf(path), 0o700)
    })
  )

  it.effect("refuses a path that is a file, and says which setting helps", () =>
    Effect.gen(function* () {
      const file = join(yield* temporary, "file")
      writeFileSync(file, "mine", { mode: 0o644 })

      const error = yield* Effect.flip(prepare(file))

      assert.include(error.message, "HEADRACE_DATA")
      assert.strictEqual(modeOf(file), 0o644)
    })
  )

  it.effect.skipIf(process.getuid?.() !== 0)("refuses somebody else's folder", () =>
    Effect.gen(function* () {
      const folder = join(yield* temporary, "data")
      mkdirSync(folder)
      chownSync(folder, 65534, 65534)

      const error = yield* Effect.flip(prepare(folder))

      assert.include(error.message, "65534")
    })
  )
})
