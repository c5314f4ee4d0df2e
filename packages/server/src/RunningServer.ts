/**
 * Which server serves a data directory right now: a note in the directory, and
 * the server's own answer. A note whose server does not answer counts for nothing.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ask } from "./ApiClient.ts"

const Note = Schema.Struct({ pid: Schema.Int, url: Schema.String })
type Note = typeof Note.Type
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Note))

const file = (data: string): string => join(data, "server.json")

const read = (data: string): Option.Option<Note> => {
  try {
    return decode(readFileSync(file(data), "utf8"))
  } catch {
    return Option.none()
  }
}

/** Does a Headrace answer at the url? */
export const answers = (url: string): Effect.Effect<boolean> =>
  ask(url, "{ health { status version } }", {}, Health).pipe(
    Effect.timeout("2 seconds"),
    Effect.match({ onFailure: () => false, onSuccess: ({ health }) => health.status === "ok" })
  )
const Health = Schema.Struct({ health: Schema.Struct({ status: Schema.String, version: Schema.String }) })

/** The GraphQL url of the server of the data directory, if one runs. */
export const find = Effect.fn("RunningServer.find")(function* (data: string) {
  const note = read(data)
  if (Option.isNone(note)) return Option.none<string>()
  return (yield* answers(note.value.url)) ? Option.some(note.value.url) : Option.none<string>()
})

/** Leaves the note for as long as the scope lives. */
export const announce = (data: string, url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => writeFileSync(file(data), JSON.stringify({ pid: process.pid, url }), { mode: 0o600 })),
    () =>
      Effect.sync(() => {
        if (Option.exists(read(data), ({ pid }) => pid === process.pid)) rmSync(file(data), { force: true })
      })
  )
