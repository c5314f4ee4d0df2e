/**
 * Where words go: data to stdout, everything else to stderr. What we say holds
 * no secret; data are the source's own and stay as they are. A terminal changes
 * looks, never content.
 */
import * as Context from "effect/Context"
import { isEnding, type JsonLine, numbered } from "./JsonLines.ts"
import { lines, type Message } from "./Message.ts"
import { printable } from "./Printable.ts"
import { redact, redactLine } from "./Redact.ts"

export type OutputFormat = "text" | "json" | "jsonl"
export type ProgressStyle = "tty" | "plain" | "json" | "none"

/** What the screen needs of a stream; `process.stdout` is one. */
export interface Sink {
  readonly write: (text: string) => unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

export interface ScreenOptions {
  readonly stdout: Sink
  readonly stderr: Sink
  readonly format: OutputFormat
  readonly progress: ProgressStyle
  readonly isQuiet: boolean
}

export interface ScreenShape extends Omit<ScreenOptions, "stdout" | "stderr"> {
  /** Data: a line of stdout, as it is. */
  readonly print: (line: string) => void
  /** For machines: with `-o jsonl` a numbered line of stdout, with `-o json` too if it ends the verb. */
  readonly emit: (line: JsonLine) => void
  /** For people: a line of stderr; with `--quiet` nothing. */
  readonly tell: (line: string) => void
  /** A failure: shown even when quiet. */
  readonly complain: (message: Message) => void
  /** Draws over the last drawn line; null takes it away. Only on a terminal. */
  readonly draw: (line: string | null) => void
  readonly columns: () => number
  /** From now on hidden wherever it turns up. */
  readonly hide: (secrets: Iterable<string>) => void
}

export class Screen extends Context.Service<Screen, ScreenShape>()("@headrace/server/cli/Screen") {}

export const make = ({ stdout, stderr, ...options }: ScreenOptions): ScreenShape => {
  const secrets = new Set<string>()
  const stamp = numbered()
  let isDrawn = false
  const erase = () => {
    if (isDrawn) stderr.write("\r\u001b[2K")
    isDrawn = false
  }
  const say = (line: string) => {
    erase()
    for (const part of redact(line, secrets).split("\n")) stderr.write(`${printable(part)}\n`)
  }
  const print = (line: string) => {
    erase()
    stdout.write(`${printable(line)}\n`) // a JSON line stays what it says: escapes stand in its strings alone
  }
  return {
    ...options,
    print,
    emit: (line) => {
      const isWanted = options.format === "jsonl" || (options.format === "json" && isEnding(line))
      const told = isEnding(line) ? redactLine(line, secrets) : line
      const text = isWanted ? stamp(told, new Date().toISOString()) : null
      if (text !== null) print(text)
    },
    tell: (line) => (options.isQuiet ? undefined : say(line)),
    complain: (message) => lines(message).forEach(say),
    draw: (line) => {
      erase()
      if (line === null) return
      stderr.write(printable(redact(line, secrets)))
      isDrawn = true
    },
    columns: () => stderr.columns ?? 100,
    hide: (more) => {
      for (const secret of more) if (secret !== "") secrets.add(secret)
    }
  }
}

/** `auto` for progress: drawn on a terminal, plain lines elsewhere, none beside machine-readable output. */
export const chooseProgress = (
  asked: "auto" | ProgressStyle,
  format: OutputFormat,
  stderr: Sink
): ProgressStyle => {
  if (asked !== "auto") return asked
  if (format === "jsonl") return "none"
  return stderr.isTTY === true ? "tty" : "plain"
}
