import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync } from "node:fs"
import * as HeadraceCommand from "./HeadraceCommand.ts"
import * as Place from "./Place.ts"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const

layer(Place.layer, live)("doctor", (it) => {
  it.effect("tries whether the data directory can be made, which no permission tells of some folders", () =>
    Effect.gen(function* () {
      const { surroundings } = yield* Place.Place
      const environment = { HEADRACE_PORT: "0", HEADRACE_PYTHON: surroundings.folder }

      const ill = yield* HeadraceCommand.run("headrace", ["doctor"], {
        ...surroundings,
        data: "/proc/nope",
        environment
      })

      assert.strictEqual(ill.exit, 3)
      assert.match(ill.stdout, /✗ Data directory +\/proc\/nope: .*Set HEADRACE_DATA/)
      assert.match(ill.stdout, /✗ Python worker .*\. Set HEADRACE_PYTHON/)
    })
  )

  it.effect("leaves nothing in the folder it tried", () =>
    Effect.gen(function* () {
      const { folder, surroundings } = yield* Place.Place
      const environment = { ...surroundings.environment, HEADRACE_PORT: "0" }
      const before = readdirSync(folder)

      const { stdout } = yield* HeadraceCommand.run("headrace", ["doctor"], {
        ...surroundings,
        data: `${folder}/fresh`,
        environment
      })

      assert.match(stdout, /✓ Data directory .*made when it is needed/)
      assert.match(stdout, /✓ Port +any free one of 127\.0\.0\.1, chosen at the start/)
      assert.deepStrictEqual(readdirSync(folder), before)
    })
  )
})
