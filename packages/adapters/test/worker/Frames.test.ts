/** The bytes of the worker's socket: the verdicts both ends share, and what holds for every message. */
import { assert, describe, it } from "@effect/vitest"
import { filled, frameVectors, transcripts } from "@headrace/core/testing/Transcripts"
import { Schema } from "effect"
import * as Frames from "../../src/worker/Frames.ts"

const Message = Schema.Record(Schema.String, Schema.Json)
const frames = transcripts.flatMap(({ lines }) =>
  lines.flatMap((line) => ("frame" in line ? [filled(line.frame)] : []))
)

const verdict = (bytes: Uint8Array): string => {
  try {
    const messages = Frames.makeDecoder()(bytes)
    return messages.length === 1 ? "ok" : `${messages.length} messages`
  } catch (error) {
    return error instanceof Frames.FrameRefused ? error.fault : String(error)
  }
}

const frame = (...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(body.length)
  return Buffer.concat([head, body])
}

const hex = (text: string) => Buffer.from(text, "hex")

/** Without -0, halves of surrogate pairs, and the one key that decodes under another name. */
const speakable = (message: Schema.JsonObject): Schema.Json =>
  JSON.parse(JSON.stringify(message).replaceAll(/\\ud[0-9a-f]{3}|__proto__/g, "?"))

const nils = (count: number) => {
  const head = Buffer.alloc(5, 0xdd)
  head.writeUInt32BE(count, 1)
  return frame(hex("81a161"), head, Buffer.alloc(count, 0xc0))
}

const faultOf = (message: unknown) => {
  try {
    return Frames.encode(message).length
  } catch (error) {
    return error instanceof Frames.FrameRefused ? error.fault : error
  }
}

describe("the shared verdicts", () => {
  it.each(frameVectors)("$name: $verdict", ({ hex: bytes, verdict: expected }) => {
    assert.strictEqual(verdict(hex(bytes)), expected)
  })

  it.each(frameVectors)("$name: the same verdict byte by byte", ({ hex: bytes, verdict: expected }) => {
    const decode = Frames.makeDecoder()
    const heard = [...hex(bytes)].reduce((last, byte) => {
      if (last !== "") return last
      try {
        return decode(Uint8Array.of(byte)).length === 1 ? "ok" : ""
      } catch (error) {
        return error instanceof Frames.FrameRefused ? error.fault : String(error)
      }
    }, "")

    assert.strictEqual(heard, expected)
  })

  it("1 Mi entries are allowed and one more is not", () => {
    assert.strictEqual(verdict(nils(1024 * 1024 - 1)), "ok")
    assert.strictEqual(verdict(nils(1024 * 1024)), "too-many-entries")
  })

  it("a bomb of any kind is refused before what it announces is allocated", () => {
    const bombs = [
      frame(hex("81a161ddffffffff")),
      frame(hex("81a161"), Buffer.alloc(1_000_000, 0x91), hex("c0")),
      frame(hex("81a161dd00ffffff"), Buffer.alloc(15 * 1024 * 1024, 0xc0))
    ]

    const before = process.memoryUsage().heapUsed
    const verdicts = bombs.map((bomb) => verdict(bomb))
    const grown = process.memoryUsage().heapUsed - before

    assert.deepStrictEqual(verdicts, ["too-many-entries", "too-deep", "too-many-entries"])
    // Decoded, the last one alone would be an array of 15 million entries.
    assert.isBelow(grown, 15 * 1024 * 1024)
  })
})

describe("encode and makeDecoder", () => {
  it("every frame of the transcripts means the same after MessagePack, cut at every byte", () => {
    const bytes = Buffer.concat(frames.map((message) => Frames.encode(message)))
    const decode = Frames.makeDecoder()

    assert.deepStrictEqual(
      [...bytes].flatMap((byte) => decode(Uint8Array.of(byte))),
      frames
    )
  })

  it("a message encodes to the bytes it was decoded from", () => {
    for (const message of frames) {
      const bytes = Frames.encode(message)

      assert.deepStrictEqual(
        Frames.makeDecoder()(bytes).map((heard) => Frames.encode(heard)),
        [bytes]
      )
    }
  })

  it.prop(
    "any message survives, wherever the bytes are cut in two",
    { message: Message, share: Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 1 })) },
    ({ message, share }) => {
      const plain = speakable(message)
      const bytes = Frames.encode(plain)
      const cut = Math.floor(bytes.length * share)
      const decode = Frames.makeDecoder()

      const heard = [...decode(bytes.subarray(0, cut)), ...decode(bytes.subarray(cut))]

      assert.deepStrictEqual(heard, [plain])
    }
  )

  it("integers up to 53 bits arrive as integers", () => {
    const message = { a: 2 ** 32, b: -(2 ** 31) - 1, c: Number.MAX_SAFE_INTEGER, d: Number.MIN_SAFE_INTEGER }

    const bytes = Frames.encode(message)

    // 0xcb would be a float, which Python tells from an integer.
    assert.strictEqual(bytes.toString("hex").match(/a1(61|62|63|64)d3/g)?.length, 4)
    assert.deepStrictEqual(Frames.makeDecoder()(bytes), [message])
  })

  it("what the other end would refuse is not sent", () => {
    const deep = Array.from({ length: 40 }).reduce<Schema.Json>((inner) => [inner], null)

    assert.deepStrictEqual(
      [{ deep }, { text: "\ud800" }, { big: "x".repeat(17 * 1024 * 1024) }, "text"].map(faultOf),
      ["too-deep", "text-not-utf8", "frame-too-large", "not-a-map"]
    )
  })
})
