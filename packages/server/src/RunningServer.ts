/**
 * Which server serves a data directory right now: a note in the directory, and
 * the server's own answer. A note whose server does not answer counts for nothing.
 * Only one may serve: who starts holds a lock of the system on a file beside the
 * note, which ends with its process, however that ends.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { ask } from "./ApiClient.ts"
import * as PrivateFolder from "./PrivateFolder.ts"

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

/** Another process has the turn and does not answer: it comes up, goes down, or has been stopped. */
export class Occupied extends Schema.TaggedError<Occupied>()("Occupied", {
  data: Schema.String,
  /** The file whose lock says so. */
  lock: Schema.String,
  /** Of the server that noted itself last; null when it noted nothing yet. */
  pid: Schema.NullOr(Schema.Int)
}) {}

const lockFile = (data: string): string => join(data, "server.lock")

const occupied = (data: string) =>
  new Occupied({
    data,
    lock: lockFile(data),
    pid: Option.getOrNull(Option.map(read(data), ({ pid }) => pid))
  })

/** SQLite asks the system for the lock; the file holds nothing. Null: another process has it. */
const lock = (data: string): DatabaseSync | null => {
  const held = new DatabaseSync(lockFile(data))
  try {
    held.exec("pragma journal_mode = off; begin exclusive")
    return held
  } catch (cause) {
    held.close()
    if (cause instanceof Error && cause.message.includes("locked")) return null
    throw cause
  }
}

const locked = (data: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => lock(data),
      catch: (cause) =>
        new PrivateFolder.FolderNotPrivate({
          path: data,
          why: `${lockFile(data)}: ${cause instanceof Error ? cause.message : String(cause)}`
        })
    }),
    (held) => Effect.sync(() => held?.close())
  ).pipe(
    Effect.filterOrFail(
      (held) => held !== null,
      () => occupied(data)
    )
  )

/** How long the other may take until it answers, or has gone; and after how long people are told that we wait for it. */
const patience = { look: Schedule.spaced("100 millis"), whole: "1 minute", unsaid: "3 seconds" } as const

/**
 * The turn to serve the data directory, held until the scope ends; or, while another process has it,
 * the url at which that one answers. `waiting` is told, once, of another that does neither for seconds.
 */
export const turn = Effect.fn("RunningServer.turn")(function* (
  wanted: string,
  waiting: (other: Occupied) => Effect.Effect<void>
) {
  const data = yield* PrivateFolder.prepare(wanted)
  const look = Effect.flatMap(find(data), (running) =>
    Option.isSome(running) ? Effect.succeed(running) : Effect.as(locked(data), Option.none<string>())
  )
  const sayingSo = Effect.delay(
    Effect.suspend(() => waiting(occupied(data))),
    patience.unsaid
  )
  return yield* Effect.retry(look, {
    schedule: patience.look,
    while: ({ _tag }) => _tag === "Occupied"
  }).pipe(
    Effect.raceFirst(Effect.andThen(sayingSo, Effect.never)),
    Effect.timeoutOrElse({ duration: patience.whole, orElse: () => Effect.fail(occupied(data)) })
  )
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
