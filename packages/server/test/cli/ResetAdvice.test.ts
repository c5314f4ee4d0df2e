import { assert, describe, it } from "@effect/vitest"
import { messageFor } from "../../src/cli/Catalogue.ts"
import { Refused } from "../../src/cli/Message.ts"
import { withReset } from "../../src/cli/ResetAdvice.ts"

const carried = {
  source: { again: "postgres://app@db/shop" },
  sink: { again: "postgres://app@db/warehouse?schemas=s1" },
  unitId: "public.orders"
}
const adviceOf = (lastError: string) =>
  withReset(new Refused(messageFor(lastError, null)), carried).advice.join("\n")

describe("a failure that speaks of a reset", () => {
  it("shows the whole command, with the schemas of its sink", () => {
    assert.match(
      adviceOf("SOURCE_REPLACED: The table was made anew. Reset the unit if that was meant."),
      /Reset: {2}.*reset --source postgres:\/\/app@db\/shop -u public\.orders --sink 'postgres:\/\/app@db\/warehouse\?schemas=s1'$/
    )
  })

  it("is the only one that does", () => {
    assert.notInclude(adviceOf("SOURCE_UNREACHABLE: Nothing answers."), "reset")
  })
})
