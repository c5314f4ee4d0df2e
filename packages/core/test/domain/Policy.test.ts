import { assert, describe, it } from "@effect/vitest"
import {
  asksForIncremental,
  defaultStagingProvider,
  describeUnknownKey,
  isPolicyKey,
  knownPolicy,
  policyKeys,
  resolvePolicy,
  resolveStagingProvider,
  unknownPolicyKeys,
  withoutEffect,
  withMode
} from "../../src/domain/Policy.ts"

describe("resolvePolicy", () => {
  it("takes each key from the last place that says it: endpoint, unit, run", () => {
    const policy = resolvePolicy(
      { mode: "full", limit: 1, nulls: "once" },
      { limit: 2, nulls: "ignore" },
      { nulls: "quarantine" }
    )

    assert.deepStrictEqual(policy, { mode: "full", limit: 2, nulls: "quarantine" })
  })

  it("hears nothing in a null, but much in false, zero and the empty text", () => {
    const policy = resolvePolicy(
      { limit: 5, require: "exactly-once", filter: "x" },
      { limit: null, filter: "" }
    )

    assert.deepStrictEqual(policy, { limit: 5, require: "exactly-once", filter: "" })
    assert.deepStrictEqual(resolvePolicy({ limit: 5 }, { limit: 0 }), { limit: 0 })
  })

  it.each([null, undefined, "mode=full", 7, ["full"]])("takes %j for no policy at all", (odd) => {
    assert.deepStrictEqual(resolvePolicy(odd, { mode: "full" }, odd), { mode: "full" })
  })
})

describe("resolveStagingProvider", () => {
  const staged = (provider: unknown) => ({ staging: { provider } })
  const everywhere = {
    argument: "argument",
    unitPolicy: staged("unit"),
    endpointPolicy: staged("endpoint"),
    config: "config",
    setting: "setting"
  }
  const order = ["argument", "unitPolicy", "endpointPolicy", "config", "setting"] as const
  const names = ["argument", "unit", "endpoint", "config", "setting"]

  it.each(order.map((_, said) => [names[said], said] as const))(
    "P13 takes the %s when nobody before it says one",
    (name, said) => {
      const silent = Object.fromEntries(order.slice(0, said).map((place) => [place, undefined]))

      assert.strictEqual(resolveStagingProvider({ ...everywhere, ...silent }), name)
    }
  )

  it("P13 is in_memory when nobody says one", () => {
    const nobody = {
      argument: null,
      unitPolicy: {},
      endpointPolicy: undefined,
      config: undefined,
      setting: null
    }

    assert.strictEqual(resolveStagingProvider(nobody), "in_memory")
    assert.strictEqual(defaultStagingProvider, "in_memory")
  })

  it.each(["", "  ", 7, null, { provider: "x" }])("hears nothing in %j", (odd) => {
    assert.strictEqual(
      resolveStagingProvider({ ...everywhere, argument: odd, unitPolicy: staged(odd) }),
      "endpoint"
    )
  })

  it("does not take the blanks around a name for part of it", () => {
    assert.strictEqual(resolveStagingProvider({ ...everywhere, argument: " local_disk " }), "local_disk")
  })
})

describe("withMode", () => {
  it.each([
    [{}, true, "full"],
    [{ cursorField: "at" }, true, "incremental"],
    [{ cursorField: "at" }, false, "full"],
    [{ cursorField: "" }, true, "full"],
    [{ cursorField: null }, true, "full"],
    [{ mode: "full", cursorField: "at" }, true, "full"],
    [{ mode: "incremental" }, false, "incremental"],
    [{ mode: "", cursorField: "at" }, true, "incremental"]
  ])("of %j, by a source that can (%s) read on: %s", (policy, can, mode) => {
    assert.deepStrictEqual(withMode(policy, can), { ...policy, mode })
  })

  it("only a policy that says incremental asks for it", () => {
    assert.isTrue(asksForIncremental({ mode: "incremental" }))
    assert.isFalse(asksForIncremental({ cursorField: "at" }))
  })
})

describe("keys", () => {
  const all = Object.fromEntries(policyKeys.map((key) => [key, 1]))

  it("of the contract are all known, each in one spelling", () => {
    assert.deepStrictEqual(unknownPolicyKeys(all), [])
    assert.deepStrictEqual(knownPolicy(all), all)
    assert.strictEqual(new Set(policyKeys.map((key) => key.toLowerCase())).size, policyKeys.length)
  })

  it.each(["Mode", "cursor_field", "batch_bytes", "__proto__", "constructor", ""])(
    "%j is not known",
    (key) => {
      assert.isFalse(isPolicyKey(key))
      assert.deepStrictEqual(knownPolicy(JSON.parse(JSON.stringify({ [key]: 1, mode: "full" }))), {
        mode: "full"
      })
    }
  )

  it("that nobody knows are told with the key that was meant, or that none was", () => {
    const [near, far] = unknownPolicyKeys({ targetSliceSise: 1, colour: 2 }).map(describeUnknownKey)

    assert.match(near ?? "", /"targetSliceSise".*did you mean "targetSliceSize"\?$/)
    assert.match(far ?? "", /"colour" is not known and has no effect\.$/)
  })

  it("within an object are told with the object, and are no less unknown", () => {
    const policy = {
      quarantine: { maxRows: 1, maxratio: 0.9 },
      limits: { rowbytes: 5 },
      staging: { provider: "local_disk", colour: 5 },
      filter: { eq: ["a", 1] }
    }

    assert.deepStrictEqual(unknownPolicyKeys(policy), [
      { key: "staging.colour", nearest: null },
      { key: "quarantine.maxratio", nearest: "quarantine.maxRatio" },
      { key: "limits.rowbytes", nearest: "limits.rowBytes" }
    ])
  })

  it.each([
    [{ attempts: 3 }, /"attempts" has no effect/],
    [{ limits: { memoryBytes: 1, rowBytes: 5 } }, /"memoryBytes" of the policy key "limits" has no effect/],
    [{ targetSlizeSize: 1 }, /"targetSlizeSize" is not known/]
  ])("that change nothing today are told: %j", (policy, told) => {
    const said = withoutEffect(policy)

    assert.lengthOf(said, 1)
    assert.match(said[0] ?? "", told)
  })

  it("that say what happens anyway, or that are heeded, are not", () => {
    assert.deepStrictEqual(withoutEffect({ attempts: 1, limits: { rowBytes: 5 }, mode: "full" }), [])
  })
})
