import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parsePolicy, type PolicyFlags } from "../../src/cli/Policy.ts"

const nothing: PolicyFlags = { mode: null, cursor: null, key: [], write: null, policy: [] }
const parse = (flags: Partial<PolicyFlags>) => parsePolicy({ ...nothing, ...flags })
const refusal = (flags: Partial<PolicyFlags>) => Result.getOrThrow(Result.flip(parse(flags)))

describe("the policy of a command", () => {
  it("is empty when nothing was said", () => {
    assert.deepStrictEqual(Result.getOrThrow(parse({})), {})
  })

  it("takes the four flags under the names policies use", () => {
    const policy = parse({
      mode: "incremental",
      cursor: "updated_at",
      key: ["id,line", "part"],
      write: "merge"
    })

    assert.deepStrictEqual(Result.getOrThrow(policy), {
      mode: "incremental",
      cursorField: "updated_at",
      primaryKeys: ["id", "line", "part"],
      writeDisposition: "merge"
    })
  })

  it("reads every other key in its own type", () => {
    const policy = parse({
      policy: ["targetSliceSize=500", 'staging={"provider":"local_disk"}', "columns=a,b"]
    })

    assert.deepStrictEqual(Result.getOrThrow(policy), {
      targetSliceSize: 500,
      staging: { provider: "local_disk" },
      columns: ["a", "b"]
    })
  })

  it("refuses a key nobody knows and names the nearest", () => {
    const message = refusal({ policy: ["targetSliceSiz=500"] })

    assert.strictEqual(message.exit, 2)
    assert.include(message.advice.join(), "targetSliceSize")
  })

  it.each([
    [`quarantine={"maxRows": 100, "maxratio": 0.9}`, `Unknown key "maxratio" in quarantine`, "maxRatio"],
    [`limits={"rowbytes": 1000}`, `Unknown key "rowbytes" in limits`, "rowBytes"],
    [`staging={"provider": "local_disk", "maxbytes": 5}`, `Unknown key "maxbytes" in staging`, "maxBytes"]
  ])("refuses %s: a key within an object that nobody reads", (policy, title, meant) => {
    const message = refusal({ policy: [policy] })

    assert.strictEqual(message.number, "HR2105")
    assert.strictEqual(message.title, title)
    assert.strictEqual(message.advice[0], `Did you mean: ${meant}?`)
  })

  it.each([
    ["staging=local_disk", `'{"provider": "local_disk"}'`],
    ["filter=status = open", `'{"eq": ["status", "open"]}'`],
    ["quarantine=100", `'{"maxRows": 100}'`],
    ["limits=", `'{"rowBytes": 1048576}'`]
  ])("shows to whoever says %s what that key takes", (policy, example) => {
    const { number, advice } = refusal({ policy: [policy] })

    assert.strictEqual(number, "HR2105")
    assert.include(advice.join(), `It takes JSON, such as --policy ${policy.split("=")[0]}=${example}.`)
  })

  it("says of a setting of files where it is written", () => {
    const { number, advice } = refusal({ policy: ["delimiter=;"] })

    assert.strictEqual(number, "HR2105")
    assert.deepStrictEqual(advice, ["Write it behind the path: --source './orders.csv?delimiter=;'"])
  })

  it("refuses a word that is none of the allowed, and names the nearest", () => {
    assert.include(refusal({ mode: "incremental_" }).advice.join(), "incremental")
    assert.include(refusal({ write: "upsert" }).advice.join(), "merge")
  })

  it.each([
    ["maxParallelSlices=-1", "from 1 to 64"],
    ["maxParallelSlices=65", "from 1 to 64"],
    ["attempts=1000", "from 1 to 100"],
    ["targetSliceSize=0", "from 1 to 999999999999999"]
  ])("refuses %s, and says that it takes a whole number %s", (policy, range) => {
    const { number, title, advice } = refusal({ policy: [policy] })

    assert.strictEqual(number, "HR2105")
    assert.include(title, `--policy ${policy.split("=")[0]}`)
    assert.deepStrictEqual(advice, [`It takes a whole number ${range}.`])
  })

  it("refuses a number that is none, and JSON that is none", () => {
    for (const policy of ["targetSliceSize=0", "targetSliceSize=many", "staging={"]) {
      assert.strictEqual(refusal({ policy: [policy] }).number, "HR2105")
    }
  })

  it.each([
    { mode: "incremental", policy: ["mode=full"] },
    { policy: ["mode=full", "mode=incremental"] },
    { key: ["id"], policy: ["primaryKeys=line"] }
  ])("refuses two values for one key, and says where they stand: %j", (flags) => {
    const message = refusal(flags)

    assert.strictEqual(message.exit, 2)
    assert.match(message.why.join(), /--policy (mode|primaryKeys)=/)
  })

  it("takes the same value twice", () => {
    assert.deepStrictEqual(Result.getOrThrow(parse({ mode: "full", policy: ["mode=full"] })), {
      mode: "full"
    })
  })

  it("never advises nothing", () => {
    assert.notInclude(refusal({ policy: ["colour=1"] }).advice, "")
  })
})
