/** Commands that messages propose: in the form in which this one was called, so that they work as printed. */
import { basename, delimiter, dirname } from "node:path"

/** How a process was called. */
export interface Call {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The program's own file, as the system was told it. */
  readonly program: string
  readonly folder: string
}

/** `npx headrace` below npm or npx, the path of the program where `PATH` does not lead to it, else `headrace`. */
export const commandOf = ({ environment, program, folder }: Call): string => {
  if (environment["npm_command"] !== undefined) return "npx headrace"
  const isOwnName = basename(program) === "headrace"
  const isOnPath = (environment["PATH"] ?? "").split(delimiter).includes(dirname(program))
  if (!isOwnName || isOnPath) return "headrace"
  return shellWord(program.startsWith(`${folder}/`) ? program.slice(folder.length + 1) : program)
}

/** A word for a POSIX shell. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./•-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`

/** `headrace discover ./lake`, as the user has to say it. */
export const hint = (...words: ReadonlyArray<string>): string => [command, ...words.map(shellWord)].join(" ")

/** The same about a system; a password that was typed is not repeated, and so has to come from elsewhere. */
export const hintAt = (
  verb: string,
  { again, isPasswordTyped }: { readonly again: string; readonly isPasswordTyped: boolean }
): string => `${hint(verb, again)}${isPasswordTyped ? "   with the password in PGPASSWORD" : ""}`

/** What was carried from where to where, as it was written. */
export interface Pair {
  readonly source: { readonly again: string }
  readonly unitId: string
  readonly sink: { readonly again: string }
}

/** `headrace reset --source … -u … --sink …`: a command about what another one carried. */
export const hintOf = (words: ReadonlyArray<string>, { source, unitId, sink }: Pair): string =>
  hint(...words, "--source", source.again, "-u", unitId, "--sink", sink.again)

const command = commandOf({
  environment: process.env,
  program: process.argv[1] ?? "",
  folder: process.cwd()
})
