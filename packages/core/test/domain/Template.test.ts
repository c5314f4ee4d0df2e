import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { EndpointTemplate, Family, FieldValueType, hasCapability, isSink } from "../../src/domain/Template.ts"
import { template } from "../../src/testing/Samples.ts"

const withCapabilities = (...keys: ReadonlyArray<string>): EndpointTemplate => ({
  ...template,
  capabilities: keys.map((key) => ({ key, label: key, description: null }))
})

describe("capabilities", () => {
  it("D8 are found by their whole name, not by what it begins with", () => {
    const source = withCapabilities("ingest.full", "metadata.collect")

    assert.isTrue(hasCapability(source, "ingest.full"))
    assert.isFalse(hasCapability(source, "ingest"))
    assert.isFalse(hasCapability(source, "ingest.full.fast"))
    assert.isFalse(hasCapability(source, "INGEST.FULL"))
  })

  it.each(["sink.hdfs", "sink.iceberg", "sink.jdbc", "sink.cdm", "sink.file"])(
    "P4 %s makes a sink",
    (key) => {
      assert.isTrue(isSink(withCapabilities("preview", key)))
    }
  )

  it("of a source make no sink, though their names hold the word", () => {
    assert.isFalse(isSink(withCapabilities("ingest.full", "sinking.boat", "kitchen.sink.full")))
    assert.isFalse(isSink(withCapabilities()))
  })
})

describe("a descriptor on its way", () => {
  const isTemplate = Schema.is(EndpointTemplate)

  it("P5 with every kind of content is one, and comes back as it was", () => {
    const codec = Schema.toCodecJson(EndpointTemplate)
    const wire: unknown = JSON.parse(JSON.stringify(Schema.encodeSync(codec)(template)))

    assert.isTrue(isTemplate(template))
    assert.deepStrictEqual(Schema.decodeUnknownSync(codec)(wire), template)
  })

  it("D7 has one of five families", () => {
    assert.deepStrictEqual([...Family.literals], ["JDBC", "HTTP", "STREAM", "FILE", "WAREHOUSE"])
    assert.isFalse(isTemplate({ ...template, family: "CLOUD" }))
  })

  it("with a field of a kind no form knows is none", () => {
    const [first] = template.fields
    assert.isTrue(FieldValueType.literals.includes("PASSWORD"))

    assert.isFalse(isTemplate({ ...template, fields: [{ ...first, valueType: "SECRET" }] }))
  })

  it("without a field that is always present is none: what is not known is null", () => {
    const { vendor: _vendor, ...rest } = template

    assert.isFalse(isTemplate(rest))
  })
})
