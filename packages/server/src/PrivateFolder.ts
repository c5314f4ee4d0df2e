/**
 * The data directory holds a database without a password and, until secrets are
 * sealed, endpoint passwords in clear text: nobody else may look into it.
 */
import { Effect, Schema } from "effect"
import { chmodSync, existsSync, mkdirSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"

/** The folder cannot be made, or belongs to somebody else. */
export class FolderNotPrivate extends Schema.TaggedError<FolderNotPrivate>()("FolderNotPrivate", {
  path: Schema.String,
  why: Schema.String
}) {
  override get message(): string {
    return `The data directory ${this.path} cannot be used: ${this.why}. Set HEADRACE_DATA to a folder of your own.`
  }
}

/** Not `recursive`: below `/proc` that never returns. Another process may make the folder meanwhile. */
const makeUnlessThere = (path: string): void => {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (cause) {
    if (!existsSync(path)) throw cause
  }
}

/** Makes the folder with mode 0700, takes other people's rights from one that is there, and answers its full path. */
export const prepare = (wanted: string): Effect.Effect<string, FolderNotPrivate> =>
  Effect.suspend(() => {
    const path = resolve(wanted)
    const refuse = (why: string) => Effect.fail(new FolderNotPrivate({ path, why }))
    try {
      mkdirSync(dirname(path), { recursive: true })
      makeUnlessThere(path)
      const found = statSync(path)
      if (!found.isDirectory()) return refuse("it is no folder")
      const { uid, mode } = found
      if (uid !== process.getuid?.()) return refuse(`it belongs to the user with number ${uid}`)
      if ((mode & 0o077) !== 0) chmodSync(path, 0o700)
      return Effect.succeed(path)
    } catch (cause) {
      return refuse(cause instanceof Error ? cause.message : String(cause))
    }
  })
