/**
 * stdout and stderr of a worker are logs. A structured line keeps its level and
 * the run it speaks of; anything else, a stray `print` included, is one message.
 */
import { Effect, type LogLevel, Option, Record, Schema } from "effect"
import type { Readable } from "node:stream"

/** Longer lines are cut: a library that dumps a buffer is to fill no disk. */
const longestLine = 16 * 1024

const StructuredLine = Schema.fromJsonString(
  Schema.StructWithRest(Schema.Struct({ level: Schema.String, message: Schema.String }), [
    Schema.Record(Schema.String, Schema.Json)
  ])
)
const parse = Schema.decodeUnknownOption(StructuredLine)

const levels: ReadonlyMap<string, LogLevel.Severity> = new Map([
  ["DEBUG", "Debug"],
  ["INFO", "Info"],
  ["WARN", "Warn"],
  ["WARNING", "Warn"],
  ["ERROR", "Error"],
  ["CRITICAL", "Fatal"]
])

/** One line of a worker as one entry of our log, with its `run_id` and what else it says; the time is ours. */
export const logLine = (line: string) =>
  Option.match(parse(line), {
    onNone: () => Effect.logInfo(line),
    onSome: ({ level, message, time: _time, ...annotations }) =>
      Effect.logWithLevel(levels.get(level.toUpperCase()) ?? "Info")(message).pipe(
        Effect.annotateLogs(Record.filter(annotations, (value) => value !== null))
      )
  })

/** What a line says to a person, without its structure. */
export const messageOf = (line: string): string =>
  Option.match(parse(line), { onNone: () => line, onSome: ({ message }) => message })

/** Calls `onLine` with each line, without its end. What follows the last end of line is a line too. */
export const readLines = (stream: Readable, onLine: (line: string) => void): void => {
  let pending = ""
  stream.setEncoding("utf8")
  stream.on("data", (text: string) => {
    const lines = (pending + text).split("\n")
    pending = (lines.pop() ?? "").slice(0, longestLine)
    for (const line of lines) if (line.trim() !== "") onLine(line.slice(0, longestLine))
  })
  stream.on("end", () => {
    if (pending.trim() !== "") onLine(pending)
  })
}
