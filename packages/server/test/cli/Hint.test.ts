import { assert, describe, it } from "@effect/vitest"
import { commandOf, hint, hintAt } from "../../src/cli/Hint.ts"

const folder = "/home/ada/work"
const own = `${folder}/node_modules/.bin/headrace`

describe("a command that is proposed", () => {
  it.each([
    [{ npm_command: "exec", PATH: `${folder}/node_modules/.bin:/bin` }, own, "npx headrace"],
    [{ npm_command: "run-script" }, `${folder}/packages/server/dist/start.js`, "npx headrace"],
    [{ PATH: `/bin:${folder}/node_modules/.bin` }, own, "headrace"],
    [{ PATH: "/bin" }, own, "node_modules/.bin/headrace"],
    [{ PATH: "/bin" }, "/opt/my tools/headrace", "'/opt/my tools/headrace'"],
    [{ PATH: "/bin" }, `${folder}/packages/server/src/main.ts`, "headrace"]
  ])("begins as this one was called: %j %s → %s", (environment, program, expected) => {
    assert.strictEqual(commandOf({ environment, program, folder }), expected)
  })

  it("says where a password that was typed is to come from, instead of repeating it", () => {
    const again = "postgres://app@db/shop"

    assert.match(
      hintAt("check", { again, isPasswordTyped: true }),
      / check postgres:\/\/app@db\/shop {3}with the password in PGPASSWORD$/
    )
    assert.match(hintAt("check", { again, isPasswordTyped: false }), / check postgres:\/\/app@db\/shop$/)
  })

  it("has each of its words as a shell needs it", () => {
    assert.match(hint("discover", "postgres://app:${env:PW}@db/shop"), / discover 'postgres:[^']+'$/)
    assert.match(hint("check", "./it's"), / check '.\/it'\\''s'$/)
    assert.match(hint("check", "./lake"), / check \.\/lake$/)
  })
})
