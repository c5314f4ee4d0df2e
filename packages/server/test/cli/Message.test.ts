import { assert, describe, it } from "@effect/vitest"
import { Exit } from "../../src/cli/Exit.ts"
import { lines, refuse } from "../../src/cli/Message.ts"

describe("a message", () => {
  it("says what with its number, then where, why and what to do, in this order", () => {
    const message = refuse({
      title: "Cannot reach the source",
      number: "HR3001",
      exit: Exit.source,
      where: "postgres://app:•••@db:5432/shop",
      why: ["db:5432 refused the connection"],
      advice: ["Is PostgreSQL listening there?"]
    })

    const [first, ...rest] = lines(message)

    assert.match(first ?? "", /^✗ Cannot reach the source {2,}HR3001$/)
    assert.deepStrictEqual(rest, [
      "  postgres://app:•••@db:5432/shop",
      "  db:5432 refused the connection",
      "  Is PostgreSQL listening there?"
    ])
  })

  it("has no empty lines for what is not known", () => {
    const message = refuse({
      title: "It failed",
      number: "HR5000",
      exit: Exit.failed,
      advice: ["", "Try again."]
    })

    assert.lengthOf(lines(message), 2)
  })
})
