/**
 * From the code that a failed run's `lastError` starts with to what the command
 * says: a title, a number, an exit code, and what to do where the failure's own
 * sentence does not say it. The only place where these are decided.
 */
import { Exit } from "./Exit.ts"
import { hint } from "./Hint.ts"
import type { Message } from "./Message.ts"
import { inCommandWords } from "./Wording.ts"

interface Entry {
  readonly title: string
  readonly number: string
  readonly exit: Exit
  readonly advice?: string
}

const again = "What is committed stays. The same command goes on from there."
const report = "This is a bug in Headrace. Please report it with the lines above."

const entries: Readonly<Record<string, Entry>> = {
  SOURCE_UNREACHABLE: { title: "Cannot reach the source", number: "HR3001", exit: Exit.source },
  SINK_UNREACHABLE: { title: "Cannot reach the sink", number: "HR3002", exit: Exit.sink },
  ENDPOINT_UNREACHABLE: { title: "Cannot reach the system", number: "HR3003", exit: Exit.failed },
  SOURCE_SIGN_IN: { title: "The source refused the sign-in", number: "HR3011", exit: Exit.source },
  SINK_SIGN_IN: { title: "The sink refused the sign-in", number: "HR3012", exit: Exit.sink },
  SIGN_IN: { title: "The system refused the sign-in", number: "HR3013", exit: Exit.failed },
  SOURCE_PERMISSION: { title: "The source does not let us read", number: "HR3021", exit: Exit.source },
  SINK_PERMISSION: { title: "The sink does not let us write", number: "HR3022", exit: Exit.sink },
  PERMISSION: { title: "The system does not let us in", number: "HR3023", exit: Exit.failed },
  SOURCE_THROTTLED: {
    title: "The source asks us to wait",
    number: "HR3031",
    exit: Exit.source,
    advice: again
  },
  SINK_THROTTLED: { title: "The sink asks us to wait", number: "HR3032", exit: Exit.sink, advice: again },
  THROTTLED: { title: "The system asks us to wait", number: "HR3033", exit: Exit.failed, advice: again },
  SINK_FULL: { title: "The sink is full", number: "HR3042", exit: Exit.sink, advice: again },
  SINK_AMBIGUOUS: { title: "The sink's answer was lost", number: "HR3043", exit: Exit.sink, advice: again },

  SOURCE_CONFIG: { title: "The source cannot be read as asked", number: "HR2201", exit: Exit.configuration },
  SINK_CONFIG: { title: "The sink cannot be written as asked", number: "HR2202", exit: Exit.configuration },
  STAGING_CONFIG: { title: "The staging area is set up wrongly", number: "HR2203", exit: Exit.configuration },
  CONFIG_INVALID: { title: "A setting is wrong", number: "HR2204", exit: Exit.configuration },
  UNIT_NOT_FOUND: { title: "The source has no such unit", number: "HR2003", exit: Exit.source },

  SCHEMA_DRIFT: { title: "The columns changed", number: "HR4001", exit: Exit.rejected },
  ROW_REJECTED: { title: "A row cannot be carried", number: "HR4201", exit: Exit.rejected },
  QUARANTINE_LIMIT: { title: "Too many rows cannot be carried", number: "HR4202", exit: Exit.rejected },
  SOURCE_REWOUND: { title: "The source went back in time", number: "HR4101", exit: Exit.source },
  SOURCE_REPLACED: { title: "The source is no longer the same", number: "HR4102", exit: Exit.source },

  SINK_FENCED: { title: "A newer run has taken over", number: "HR5101", exit: Exit.sink },
  SUPERSEDED: { title: "A newer run has taken over", number: "HR5102", exit: Exit.running },
  STAGING_FULL: { title: "The staging area is full", number: "HR5201", exit: Exit.failed },
  STAGING_UNREACHABLE: { title: "Cannot reach the staging area", number: "HR5202", exit: Exit.failed },
  STAGING_SIGN_IN: { title: "The staging area refused the sign-in", number: "HR5204", exit: Exit.failed },
  STAGING_THROTTLED: {
    title: "The staging area asks us to wait",
    number: "HR5205",
    exit: Exit.failed,
    advice: again
  },
  STAGING_PERMISSION: {
    title: "The staging area does not let us write",
    number: "HR5203",
    exit: Exit.failed
  },
  WORKER_LOST: { title: "The Python worker died", number: "HR5301", exit: Exit.failed, advice: again },
  WORKER_UNAVAILABLE: {
    title: "The Python worker does not start",
    number: "HR1201",
    exit: Exit.configuration,
    advice: `Try:  ${hint("doctor")}`
  },
  KV_CONFLICT: { title: "Somebody else moved the checkpoint", number: "HR5401", exit: Exit.failed },
  KV_UNAVAILABLE: {
    title: "The checkpoints cannot be reached",
    number: "HR5402",
    exit: Exit.failed,
    advice: again
  },
  STORE_UNAVAILABLE: {
    title: "The database cannot be reached",
    number: "HR5403",
    exit: Exit.failed,
    advice: again
  },
  GRAPH_UNAVAILABLE: { title: "The knowledge base cannot be reached", number: "HR5404", exit: Exit.failed },
  CHECKPOINT_UNREADABLE: { title: "The checkpoint cannot be read", number: "HR5405", exit: Exit.failed },
  CHECKPOINT_FORK: {
    title: "Checkpoint and sink tell different stories",
    number: "HR5406",
    exit: Exit.failed
  },
  CHECKPOINT_AHEAD_OF_SINK: { title: "The sink lost what it had", number: "HR5407", exit: Exit.failed },
  SECRET_UNREADABLE: {
    title: "A stored secret cannot be opened",
    number: "HR1401",
    exit: Exit.configuration
  },
  ENDPOINT_DELETED: { title: "The endpoint was deleted meanwhile", number: "HR5501", exit: Exit.failed },
  INTERRUPTED: { title: "Interrupted", number: "HR5502", exit: Exit.interrupted, advice: again },
  BUG: { title: "Headrace made a mistake", number: "HR9001", exit: Exit.bug, advice: report }
}

const unknown: Entry = { title: "The run failed", number: "HR5000", exit: Exit.failed }

/** The message for `<CODE>: <sentence>`; `where` is the system it is about, if one is. */
export const messageFor = (lastError: string, where: string | null): Message => {
  const [, code = "", sentence = lastError] = /^([A-Z_]+): ([\s\S]*)$/.exec(lastError) ?? []
  const { title, number, exit, advice } = entries[code] ?? unknown
  return {
    title,
    number,
    code: code === "" ? null : code,
    runId: null,
    exit,
    where,
    why: [inCommandWords(sentence)],
    advice: advice === undefined ? [] : [advice]
  }
}

/** Which side a code is about; null when neither. */
export const sideOf = (lastError: string): "source" | "sink" | null => {
  const { exit } = messageFor(lastError, null)
  if (exit === Exit.source || lastError.startsWith("SOURCE_")) return "source"
  return exit === Exit.sink || lastError.startsWith("SINK_") ? "sink" : null
}

/** Every code the command has words for. */
export const knownCodes: ReadonlyArray<string> = Object.keys(entries)
