/**
 * The key under which secrets are sealed: 32 random bytes in the data
 * directory, made on the first start. Whoever has the database but not this
 * file has no passwords; whoever loses it enters them again.
 */
import { Effect, Redacted, Schema } from "effect"
import { chmodSync, existsSync, linkSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const length = 32

/** The file is there and is no key of ours. It is never replaced: what was sealed with it would be lost. */
export class SecretKeyUnusable extends Schema.TaggedError<SecretKeyUnusable>()("SecretKeyUnusable", {
  path: Schema.String,
  why: Schema.String
}) {
  override get message(): string {
    return `The key of the stored secrets cannot be used (${this.path}): ${this.why}. Put the right file back; without it, remove it and register every endpoint with a password again.`
  }
}

/** Written aside and linked into place whole: of two processes that start at once, both get one key. */
const makeWhenMissing = (path: string): void => {
  if (existsSync(path)) return
  const aside = `${path}.${process.pid}`
  writeFileSync(aside, crypto.getRandomValues(new Uint8Array(length)), { mode: 0o600, flush: true })
  try {
    linkSync(aside, path)
  } catch (cause) {
    if (!existsSync(path)) throw cause
  } finally {
    rmSync(aside)
  }
}

/** The key of a data directory. */
export const read = (data: string) =>
  Effect.try({
    try: () => {
      const path = join(data, "secret.key")
      makeWhenMissing(path)
      chmodSync(path, 0o600)
      const bytes = readFileSync(path)
      if (bytes.length !== length) throw new Error(`it has ${bytes.length} bytes instead of ${length}`)
      return Redacted.make(Uint8Array.from(bytes))
    },
    catch: (cause) =>
      new SecretKeyUnusable({
        path: join(data, "secret.key"),
        why: cause instanceof Error ? cause.message : String(cause)
      })
  })
