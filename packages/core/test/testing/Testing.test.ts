/** What other packages import as `@headrace/core/testing`: a suite for every service. */
import { assert, it } from "@effect/vitest"
import * as Testing from "@headrace/core/testing"
import { readdirSync } from "node:fs"

/** Where ids come from is a reference with a default: it promises nothing a suite could hold it to. */
const withoutSuite = ["Ids"]

it("every service has a suite, exported under its name", () => {
  const services = readdirSync(new URL("../../src/services/", import.meta.url))
    .map((file) => file.replace(/\.ts$/, ""))
    .filter((service) => !withoutSuite.includes(service))

  assert.deepStrictEqual(
    Object.keys(Testing).toSorted(),
    services.map((service) => `${service}Suite`).toSorted()
  )
  assert.isTrue(Object.values(Testing).every(({ suite }) => typeof suite === "function"))
})
