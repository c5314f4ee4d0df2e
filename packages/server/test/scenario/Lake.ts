/** What arrived, read by somebody else: a Python process that knows Parquet and nothing of Headrace. */
import { Effect, Schema } from "effect"
import { execFile } from "node:child_process"

const program = `
import json, pathlib, re, sys
import pyarrow.parquet as pq
base = pathlib.Path(sys.argv[1])
number = lambda p, key: int(re.search(key + r"=(\\d+)", str(p)).group(1))
parts = [p for p in base.glob(f"*/{sys.argv[2]}=*/slice=*/*.parquet")]
parts.sort(key=lambda p: (number(p, "gen"), number(p, "slice")))
for p in parts:
    rows = pq.ParquetFile(p).read().to_pylist()
    print(json.dumps({"generation": number(p, "gen"), "slice": number(p, "slice"), "rows": rows}, default=str))
`

const Row = Schema.Struct({ id: Schema.Int, note: Schema.String, changed: Schema.Int })
const Slice = Schema.Struct({ generation: Schema.Int, slice: Schema.Int, rows: Schema.Array(Row) })
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Slice))

export const python = `${import.meta.dirname}/../../../../.venv/bin/python`

const read = (folder: string, generations: "gen" | "_gen") =>
  Effect.callback<ReadonlyArray<typeof Slice.Type>>((resume) => {
    execFile(
      python,
      ["-c", program, folder, generations],
      { maxBuffer: 256 * 1024 * 1024 },
      (error, stdout) =>
        resume(
          error === null
            ? Effect.sync(() =>
                stdout
                  .trim()
                  .split("\n")
                  .filter(Boolean)
                  .map((line) => decode(line))
              )
            : Effect.die(error)
        )
    )
  })

/** Every slice of the one unit below `folder`, in the order they were taken. */
export const slices = (folder: string) => read(folder, "gen")

/** How many rows of a replacement are stored and not yet seen by readers, who skip what begins with `_`. */
export const unseen = (folder: string) =>
  Effect.map(read(folder, "_gen"), (found) => found.flatMap(({ rows }) => rows).length)

/** The ids of all rows, sorted: a lost row is missing, a doubled one is there twice. */
export const ids = (folder: string) =>
  Effect.map(slices(folder), (found) =>
    found.flatMap(({ rows }) => rows.map(({ id }) => id)).toSorted((a, b) => a - b)
  )

export const range = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)
