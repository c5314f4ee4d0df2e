/**
 * The command `headrace`: its verbs, their flags and their help. What a verb
 * does is in `verbs/`, loaded when it is called: `--help` must not wait for a
 * database driver.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Flags from "./Flags.ts"
import { perform } from "./Verb.ts"

const root = Command.make("headrace").pipe(
  Command.withSharedFlags(Flags.speech),
  Command.withDescription("Moves data in runs that can be stopped, resumed and believed.")
)

const reference = Argument.String("REF").pipe(
  Argument.withDescription(
    "postgres://user:password@host:port/database, a path, file:///path, or iceberg+ before a catalog's address"
  )
)

const ingest = Command.make("ingest", { ...Flags.places, unit: Flags.unit, ...Flags.policy }, (flags) =>
  perform(root, "run.finished", async () => (await import("./verbs/Ingest.ts")).ingest(flags))
).pipe(
  Command.withDescription(
    "Copies one unit, here and now, without a server. With --mode incremental, again: only what is new."
  ),
  Command.withExamples([
    {
      command:
        "headrace ingest --source 'postgres://app:${env:PGPASSWORD}@db/shop' -u public.orders --sink ./lake",
      description: "A whole table as Parquet files"
    },
    {
      command:
        "headrace ingest --source postgres://app@db/shop -u public.orders --sink ./lake --mode incremental --cursor updated_at --key id",
      description: "From then on only rows that changed"
    }
  ])
)

const reset = Command.make("reset", { ...Flags.places, unit: Flags.unit }, (flags) =>
  perform(root, "failed", async () => (await import("./verbs/Reset.ts")).reset(flags))
).pipe(
  Command.withDescription("Forgets how far a unit was carried into a sink; the next run loads everything.")
)

const serve = Command.make("serve", {}, () =>
  perform(root, "failed", async () => (await import("./verbs/Serve.ts")).serve)
).pipe(
  Command.withDescription("Runs the server: GraphQL, workers, and a PostgreSQL when none is configured.")
)

const check = Command.make("check", { reference }, (flags) =>
  perform(root, "failed", async () => (await import("./verbs/Check.ts")).check(flags))
).pipe(Command.withDescription("Really connects, and says the first step that fails."))

const discover = Command.make("discover", { reference }, (flags) =>
  perform(root, "failed", async () => (await import("./verbs/Discover.ts")).discover(flags))
).pipe(Command.withDescription("Lists what can be read: units, their keys and their size."))

const preview = Command.make(
  "preview",
  {
    reference,
    unit: Flags.unit,
    limit: Flag.Int("limit").pipe(
      Flag.withAlias("n"),
      Flag.withDescription("How many rows, 1 to 200"),
      Flag.withDefault(10)
    )
  },
  (flags) => perform(root, "failed", async () => (await import("./verbs/Preview.ts")).preview(flags))
).pipe(Command.withDescription("Shows the first rows of a unit."))

const quarantine = Command.make("quarantine").pipe(
  Command.withDescription("Rows that were set aside: which, why, and another try."),
  Command.withSubcommands([
    Command.make("list", {}, () =>
      perform(root, "failed", async () => (await import("./verbs/Quarantine.ts")).list)
    ).pipe(Command.withDescription("Counts what waits, by unit and reason.")),
    Command.make(
      "show",
      {
        ...Flags.places,
        unit: Flags.unit,
        limit: Flag.Int("limit").pipe(
          Flag.withAlias("n"),
          Flag.withDescription("How many rows, 1 to 10000"),
          Flag.withDefault(20)
        )
      },
      (flags) => perform(root, "failed", async () => (await import("./verbs/Quarantine.ts")).show(flags))
    ).pipe(Command.withDescription("Shows rows of a unit with position, reason and content.")),
    Command.make("replay", { ...Flags.places, unit: Flags.unit, ...Flags.policy }, (flags) =>
      perform(root, "failed", async () => (await import("./verbs/Quarantine.ts")).replay(flags))
    ).pipe(
      Command.withDescription("Tries the rows of a unit again; what the sink takes now is done with, once.")
    )
  ])
)

const doctor = Command.make("doctor", {}, () =>
  perform(root, "failed", async () => (await import("./verbs/Doctor.ts")).doctor)
).pipe(Command.withDescription("Looks at machine, Node, Python, worker, database, data directory and port."))

export const headrace = root.pipe(
  Command.withSubcommands([ingest, reset, quarantine, serve, check, discover, preview, doctor])
)
