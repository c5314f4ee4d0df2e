import { assert, describe, it } from "@effect/vitest"
import { codeOf, failureKinds } from "@headrace/core/domain/Failure"
import { IngestionState } from "@headrace/core/domain/IngestionUnitState"
import { policyKeys } from "@headrace/core/domain/Policy"
import { clientStats, emptyTally } from "@headrace/core/lifecycle/RunTally"
import * as Pages from "./Pages.ts"

const page = "docs/INGESTION_AND_SINKS.md"

const codes = new Set(
  failureKinds.flatMap((kind) =>
    (["source", "sink", "staging", null] as const).map((side) => codeOf(kind, side))
  )
)

describe("the page about ingestion", () => {
  it("lists every policy key there is, once, and no other", () => {
    assert.deepStrictEqual(Pages.column(page, "Policy", 0).toSorted(), policyKeys.toSorted())
  })

  it("has a remedy for every code of lastError, once, and for no other", () => {
    const listed = Pages.rows(page, "Why a run failed")

    assert.deepStrictEqual(Pages.column(page, "Why a run failed", 0).toSorted(), [...codes].toSorted())
    assert.isTrue(listed.every(([, remedy = ""]) => remedy !== ""))
  })

  it("lists every figure that the control plane adds to a run's stats", () => {
    const run = { worker: { rejected_rows: 1 }, durationMs: 1, stagingProviderId: "in_memory", isGraph: true }
    const listed = Pages.column(page, "What a run says it did", 0)

    assert.includeMembers([...listed], Object.keys(clientStats(emptyTally, run)))
  })
})

describe("the page about the lifecycle", () => {
  it("says what every state promises", () => {
    const states = Pages.rows("docs/lifecycle.md", "The lifecycle of a unit").map(([state = ""]) =>
      Pages.codes(state)
    )

    assert.deepStrictEqual(states.flat().toSorted(), IngestionState.literals.toSorted())
  })
})
