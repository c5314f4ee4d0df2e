import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parseReference, type Surroundings } from "../../src/cli/Reference.ts"

const there = ["/home/ada/work/what?format=x.csv", "/home/ada/work/really:is@there.csv"]
const surroundings: Surroundings = {
  folder: "/home/ada/work",
  user: "ada",
  exists: (path) => there.includes(path),
  environment: (name) => (name === "DIR" ? "a b?c" : null),
  file: (path) => (path === "/etc/place" ? "eu" : null)
}
const parse = (text: string) => Result.getOrThrow(parseReference(text, surroundings))
const refusal = (text: string) => Result.getOrThrow(Result.flip(parseReference(text, surroundings)))

describe("a path", () => {
  it("takes pieces from the environment and from files", () => {
    assert.strictEqual(
      parse("./${env:DIR}/${file:/etc/place}").parameters["base_path"],
      "/home/ada/work/a b?c/eu"
    )
    assert.strictEqual(parse("file:///data/${env:DIR}").parameters["base_path"], "/data/a b?c")
    assert.include(refusal("./${env:NOPE}/x").title, "NOPE")
    assert.strictEqual(refusal("file:///${env:NOPE}").exit, 3)
  })

  it("carries the settings of its files after a ?, and keeps its identity whatever they are", () => {
    const csv = parse("./in/orders.csv?delimiter=;&format=csv")
    const uri = parse('file:///home/ada/work/in/orders.csv?delimiter=%26&column_types={"a":"int64"}')

    assert.deepStrictEqual(csv.parameters, {
      base_path: "/home/ada/work/in/orders.csv",
      delimiter: ";",
      format: "csv"
    })
    assert.deepStrictEqual(uri.parameters, {
      base_path: "/home/ada/work/in/orders.csv",
      delimiter: "&",
      column_types: '{"a":"int64"}'
    })
    assert.strictEqual(csv.sourceId, uri.sourceId)
    assert.strictEqual(csv.sourceId, parse("./in/orders.csv").sourceId)
  })

  it("names the nearest setting for one that is unknown, and what is wrong with a value", () => {
    const unknown = refusal("./orders.csv?delimeter=;")
    const broken = refusal("./orders.csv?delimiter=%")

    assert.deepStrictEqual([unknown.exit, broken.exit], [2, 2])
    assert.match(unknown.title, /delimeter/)
    assert.match(unknown.advice.join("\n"), /Did you mean: delimiter\?/)
    assert.match(broken.why.join(), /%25/)
  })

  it("is a name where it is there, whatever it looks like", () => {
    assert.deepStrictEqual(
      ["what?format=x.csv", "really:is@there.csv"].map((text) => parse(text).parameters),
      there.map((path) => ({ base_path: path }))
    )
    assert.deepStrictEqual(parse("./why?").parameters, { base_path: "/home/ada/work/why?" })
    assert.deepStrictEqual(parse("file:///why%3Fformat=x").parameters, { base_path: "/why?format=x" })
  })
})
