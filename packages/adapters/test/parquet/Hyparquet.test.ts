/**
 * Parquet that the Python side wrote, read by a reader of JavaScript. Both tell
 * each value as text: `python/tests/fidelity/telling.py` says how.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer, Record, Schema } from "effect"
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet"
import { compressors } from "hyparquet-compressors"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as RealWorker from "../worker/RealWorker.ts"

const pythonPath = ["src", "tests"]
  .map((folder) => fileURLToPath(new URL(`../../../../python/${folder}`, import.meta.url)))
  .join(":")

const Written = Schema.Record(
  Schema.String,
  Schema.Struct({
    files: Schema.Array(Schema.String),
    columns: Schema.Record(
      Schema.String,
      Schema.Struct({ meaning: Schema.String, values: Schema.Array(Schema.Json) })
    )
  })
)

/** What the sink wrote: the corpus once for each compression, and once by way of DuckDB. */
class Corpus extends Context.Service<Corpus, typeof Written.Type>()("test/Corpus") {
  static readonly layer = Layer.effect(
    Corpus,
    Effect.gen(function* () {
      const folder = yield* RealWorker.temporaryDirectory
      const { stdout, stderr, status } = spawnSync(
        RealWorker.python,
        ["-m", "fidelity.write_parquet", folder],
        { env: { PATH: process.env["PATH"], PYTHONPATH: pythonPath }, maxBuffer: 1 << 28 }
      )
      assert.strictEqual(status, 0, stderr.toString())
      return yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Written))(stdout.toString())
    })
  )
}

/** A decimal is a number of JavaScript, so of more digits than that holds some are lost; the page says so. */
const isRounded = (meaning: string) => Number(/^decimal\((\d+),/.exec(meaning)?.[1] ?? 0) > 15

const nanoseconds = { s: 1_000_000_000n, ms: 1_000_000n, us: 1_000n, ns: 1n }

/** Dates and times as the integers that they are in the file: a `Date` of JavaScript has milliseconds. */
const parsers = {
  dateFromDays: String,
  timestampFromMilliseconds: (value: bigint | number) => String(BigInt(value) * nanoseconds.ms),
  timestampFromMicroseconds: (value: bigint | number) => String(BigInt(value) * nanoseconds.us),
  timestampFromNanoseconds: (value: bigint | number) => String(BigInt(value)),
  stringFromBytes: (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
  jsonFromBytes: (bytes: Uint8Array) => new TextDecoder().decode(bytes)
}

const bits = (value: number): string => {
  const bytes = new DataView(new ArrayBuffer(8))
  bytes.setFloat64(0, value)
  return Number.isNaN(value) ? "nan" : bytes.getBigUint64(0).toString(16).padStart(16, "0")
}

type Value =
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | null
  | undefined
  | ReadonlyArray<Value>
  | { readonly [name: string]: Value }

const isList = (value: Value): value is ReadonlyArray<Value> => Array.isArray(value)

const tell = (value: Value, meaning: string): Schema.Json => {
  if (value === null || value === undefined) return null
  if (isList(value)) return value.map((each) => tell(each, meaning.replace(/\[\d*\]$/, "")))
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex")
  if (meaning.startsWith("map") && typeof value === "object")
    return Object.entries(value).map(([key, each]) => ({ key, value: tell(each, "") }))
  if (typeof value === "object") return Record.map({ ...value }, (each) => tell(each, ""))
  if (meaning.startsWith("float")) return bits(Number(value))
  const unit = /^time\((\d)\)$/.exec(meaning)?.[1]
  return unit === undefined ? String(value) : String(BigInt(Number(value)) * 10n ** BigInt(9 - Number(unit)))
}

/** A column of all files, one after the other; null when the reader cannot read it. */
const read = (files: ReadonlyArray<string>, column: string, meaning: string) =>
  Effect.gen(function* () {
    const found = yield* Effect.forEach(files, (file) =>
      Effect.tryPromise(async () =>
        parquetReadObjects({
          file: await asyncBufferFromFile(file),
          columns: [column],
          compressors,
          parsers,
          utf8: false
        })
      )
    )
    return found.flat().map((row) => tell(row[column], meaning))
  }).pipe(Effect.orElseSucceed(() => null))

layer(Corpus.layer)("hyparquet", (it) => {
  describe("reads", () => {
    for (const written of ["snappy", "zstd", "gzip", "none", "duckdb"])
      it.effect(`every value of files that were written with ${written}, but what the page names`, () =>
        Effect.gen(function* () {
          const { files, columns } = (yield* Corpus)[written] ?? { files: [], columns: {} }

          const wrong: Array<string> = []
          for (const [name, { meaning, values }] of Object.entries(columns)) {
            const found = yield* read(files, name, meaning)
            if (JSON.stringify(found) !== JSON.stringify(values)) wrong.push(name)
          }

          assert.isAbove(files.length, 1)
          assert.deepStrictEqual(
            wrong,
            Object.keys(columns).filter((name) => isRounded(columns[name]?.meaning ?? ""))
          )
        })
      )
  })
})
