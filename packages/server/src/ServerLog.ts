/**
 * What the server says about itself, on stderr: a line a person can read on a
 * terminal, one JSON object a line everywhere else. Rows never get here.
 */
import * as Logger from "effect/Logger"

type Entry = ReturnType<(typeof Logger.formatStructured)["log"]>

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))

const messageOf = ({ message, cause }: Entry): string => {
  const parts = Array.isArray(message) ? message : [message]
  return [...parts.map(textOf), ...(cause === undefined ? [] : [cause])].join(" ")
}

/** `{"ts":…,"level":…,"service":"headrace","msg":…}`, and what is known beside it, such as `run_id`. */
export const jsonLine = (entry: Entry): string =>
  JSON.stringify({
    ts: entry.timestamp,
    level: entry.level.toLowerCase(),
    service: "headrace",
    msg: messageOf(entry),
    ...entry.annotations
  })

/** `12:00:01 INFO  The message.  run_id=…`. */
export const plainLine = (entry: Entry): string => {
  const beside = Object.entries(entry.annotations).map(([key, value]) => `  ${key}=${textOf(value)}`)
  return `${entry.timestamp.slice(11, 19)} ${entry.level.padEnd(5)} ${messageOf(entry)}${beside.join("")}`
}

/** In place of every other logger. */
export const layer = (stderr: { readonly isTTY?: boolean; readonly write: (text: string) => unknown }) =>
  Logger.layer([
    Logger.map(Logger.formatStructured, (entry) => {
      stderr.write(`${stderr.isTTY === true ? plainLine(entry) : jsonLine(entry)}\n`)
    })
  ])
