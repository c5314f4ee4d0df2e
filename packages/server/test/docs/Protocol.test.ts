import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Pages from "./Pages.ts"

const page = "docs/protocol.md"

const Line = Schema.fromJsonString(
  Schema.Struct({
    to: Schema.String,
    frame: Schema.Struct({
      _tag: Schema.String,
      id: Schema.optionalKey(Schema.Int),
      requestId: Schema.optionalKey(Schema.Int),
      tag: Schema.optionalKey(Schema.String),
      values: Schema.optionalKey(Schema.Tuple([Schema.Struct({ _tag: Schema.String })]))
    })
  })
)
const decode = Schema.decodeUnknownSync(Line)

/** The frame as the page calls it: its kind, whose request it is of, and the word it carries. */
const called = (line: string) => {
  const { to, frame } = decode(line)
  const word = frame.tag ?? frame.values?.[0]._tag
  const name = `${frame._tag} ${frame.id ?? frame.requestId}`
  return [to, word === undefined ? name : `${name} \`${word}\``]
}

describe("the page about the protocol", () => {
  it("annotates every frame of its transcript, in order", () => {
    const transcript = Pages.read("packages/core/protocol/transcripts/run-two-slices.jsonl")
      .trim()
      .split("\n")

    const annotated = Pages.rows(page, "The protocol, by example")
    assert.deepStrictEqual(
      annotated.map(([number]) => Number(number)),
      transcript.map((_, index) => index + 1)
    )
    assert.deepStrictEqual(
      annotated.map(([, to, frame]) => [to, frame]),
      transcript.map(called)
    )
  })
})
