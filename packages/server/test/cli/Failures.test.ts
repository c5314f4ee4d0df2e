import { assert, describe, it } from "@effect/vitest"
import { ConnectionTestFailed } from "@headrace/core/lifecycle/EndpointFailure"
import type { FailureKind } from "@headrace/core/domain/Failure"
import { UnitsUnavailable } from "@headrace/core/lifecycle/LookupFailure"
import { refusedAction, refusedBySystem, refusedUnit } from "../../src/cli/Failures.ts"
import type { Reference } from "../../src/cli/Reference.ts"

const reference: Reference = {
  templateId: "jdbc.postgres",
  parameters: { password: "" },
  sourceId: "postgres://db:5432/shop",
  shown: "postgres://app@db:5432/shop",
  again: "postgres://app@db/shop",
  secrets: [],
  isPasswordTyped: false
}
const failed = (kind?: FailureKind) =>
  new ConnectionTestFailed({ detail: "It went wrong.", field: null, ...(kind === undefined ? {} : { kind }) })

describe("a unit that is several", () => {
  it.each([
    ["jdbc.postgres", "public.*", true],
    ["jdbc.postgres", "public.a,public.b", true],
    ["file.local", "a.csv,b.csv", true],
    ["file.local", "*.csv", false],
    ["jdbc.postgres", "public.order", false]
  ] as const)("of %s called %s is told that a command carries one: %s", (templateId, unitId, isTold) => {
    const from = { templateId, shown: "./in", again: "./in", isPasswordTyped: false }

    const { advice } = refusedUnit(unitId, null, from)

    assert.strictEqual(advice.join().includes("A command carries one unit"), isTold)
  })
})

describe("a system that cannot be used", () => {
  it.each([
    ["AuthenticationFailed", "source", "HR3011", 5],
    ["AuthenticationFailed", "sink", "HR3012", 6],
    ["ConfigInvalid", "source", "HR2201", 3],
    ["ConfigInvalid", "sink", "HR2202", 3],
    [undefined, "source", "HR3001", 5],
    [undefined, "sink", "HR3002", 6]
  ] as const)(
    "has the number and the exit code of a run that fails so: %s of the %s",
    (kind, side, number, exit) => {
      const refused = refusedBySystem(failed(kind), side, reference)

      assert.deepStrictEqual([refused.number, refused.exit], [number, exit])
    }
  )

  it("says that no password was given, and where one is taken from, only when none was", () => {
    const sayOf = (password: string, kind?: FailureKind) =>
      refusedBySystem(failed(kind), "source", { ...reference, parameters: { password } }).why.join()

    assert.include(sayOf("", "AuthenticationFailed"), "PGPASSWORD")
    assert.notInclude(sayOf("hunter2", "AuthenticationFailed"), "PGPASSWORD")
    assert.notInclude(sayOf(""), "PGPASSWORD")
  })
})

describe("a source that does not say its units", () => {
  const detail = "There is no file to read in it: only .gz files whose format is not said."
  const refused = (kind?: FailureKind) =>
    refusedAction(
      new UnitsUnavailable({ detail, ...(kind === undefined ? {} : { kind }) }),
      reference,
      reference
    )

  it("has the number and exit code of the same refusal elsewhere, where it said why", () => {
    const { number, exit, why, where } = refused("ConfigInvalid")

    assert.deepStrictEqual([number, exit, why, where], ["HR2201", 3, [detail], reference.shown])
  })

  it("has a number of its own where nobody could ask it", () => {
    assert.deepStrictEqual([refused().number, refused().exit], ["HR3004", 5])
  })
})
