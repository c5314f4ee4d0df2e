/** The documents tests send again and again, and what they answer, decoded. */
import { RunEvents, isTerminal, type RunProgress } from "@headrace/core/services/RunEvents"
import { Effect, Option, Schema, Stream } from "effect"
import { type Answer, ask } from "./GraphqlClient.ts"

/** What one root field answered; dies when there is an error, with its text. */
export const field = <S extends Schema.ConstraintDecoder<unknown>>(answer: Answer, name: string, schema: S) =>
  answer.errors === undefined
    ? Effect.orDie(Schema.decodeUnknownEffect(schema)(answer.data?.[name]))
    : Effect.die(new Error(answer.errors.map(({ message }) => message).join("; ")))

export interface ToRegister {
  readonly name: string
  readonly sourceId?: string
  readonly projectSlug?: string
  readonly url?: string
  readonly authPolicy?: string
  readonly config?: unknown
  readonly labels?: ReadonlyArray<string>
}

export const registering = (endpoint: ToRegister) =>
  ask(`mutation R($input: EndpointInput!) { registerEndpoint(input: $input) { id sourceId url config } }`, {
    input: { verb: "POST", ...endpoint }
  })

const Registered = Schema.Struct({
  id: Schema.String,
  sourceId: Schema.String,
  url: Schema.String,
  config: Schema.Json
})

export const register = (endpoint: ToRegister) =>
  Effect.flatMap(registering(endpoint), (answer) => field(answer, "registerEndpoint", Registered))

export interface UnitName {
  readonly endpointId: string
  readonly unitId: string
  readonly sinkId?: string | null
  readonly sinkEndpointId?: string
  readonly stagingProviderId?: string
}

const actions = {
  start: "startIngestion",
  pause: "pauseIngestion",
  reset: "resetIngestionCheckpoint"
} as const

export const acting = (action: keyof typeof actions, unit: UnitName) => {
  const isStart = action === "start"
  return ask(
    `mutation A($endpointId: ID!, $unitId: ID!, $sinkId: String, $sinkEndpointId: ID${isStart ? ", $stagingProviderId: String" : ""}) {
      ${actions[action]}(endpointId: $endpointId, unitId: $unitId, sinkId: $sinkId, sinkEndpointId: $sinkEndpointId
        ${isStart ? "stagingProviderId: $stagingProviderId" : ""}) { ok runId state message }
    }`,
    { ...unit }
  )
}

const ActionResult = Schema.Struct({
  ok: Schema.Boolean,
  runId: Schema.NullOr(Schema.String),
  state: Schema.NullOr(Schema.String),
  message: Schema.NullOr(Schema.String)
})

export const act = (action: keyof typeof actions, unit: UnitName) =>
  Effect.flatMap(acting(action, unit), (answer) => field(answer, actions[action], ActionResult))

const Stats = Schema.NullOr(Schema.Record(Schema.String, Schema.Json))

export const Status = Schema.Struct({
  unitId: Schema.String,
  sinkId: Schema.String,
  sinkEndpointId: Schema.NullOr(Schema.String),
  state: Schema.String,
  lastRunId: Schema.NullOr(Schema.String),
  lastRunAt: Schema.NullOr(Schema.String),
  lastError: Schema.NullOr(Schema.String),
  stats: Stats,
  checkpoint: Schema.NullOr(
    Schema.Struct({
      cursor: Schema.Json,
      lastRunId: Schema.String,
      stats: Schema.Record(Schema.String, Schema.Json),
      lastUpdatedAt: Schema.String
    })
  ),
  stagingProviderId: Schema.NullOr(Schema.String)
})

const statusFields = `unitId sinkId sinkEndpointId state lastRunId lastRunAt lastError stats checkpoint stagingProviderId`

export const asking = (endpointId: string, unitId: string) =>
  ask(
    `query S($endpointId: ID!, $unitId: ID!) {
      ingestionStatus(endpointId: $endpointId, unitId: $unitId) { ${statusFields} }
    }`,
    { endpointId, unitId }
  )

export const status = (unit: Pick<UnitName, "endpointId" | "unitId">) =>
  Effect.flatMap(asking(unit.endpointId, unit.unitId), (answer) => field(answer, "ingestionStatus", Status))

/** Starts the unit and waits for the event that ends its run. */
export const runToEnd = Effect.fnUntraced(function* (unit: UnitName) {
  const events = yield* (yield* RunEvents).subscribe
  const started = yield* act("start", unit)
  if (!started.ok) return yield* Effect.die(new Error(`not started: ${started.message}`))
  return yield* endOf(events, started.runId)
}, Effect.scoped)

/** The event that ends a run. */
export const endOf = (events: Stream.Stream<RunProgress>, runId: string | null) =>
  events.pipe(
    Stream.filter((event) => event.runId === runId && isTerminal(event)),
    Stream.runHead,
    Effect.map(Option.getOrThrow)
  )

const Diagnostics = Schema.Struct({
  ok: Schema.Boolean,
  diagnostics: Schema.Array(
    Schema.Struct({
      level: Schema.String,
      code: Schema.String,
      message: Schema.String,
      hint: Schema.NullOr(Schema.String),
      field: Schema.NullOr(Schema.String)
    })
  )
})

/** Tests a connection of the memory table. */
export const testing = Effect.fnUntraced(function* (input: Record<string, unknown>) {
  const document = `mutation T($input: TestEndpointInput!) {
    testEndpoint(input: $input) { ok diagnostics { level code message hint field } }
  }`
  const answer = yield* ask(document, { input: { templateId: "memory.table", type: "source", ...input } })
  return yield* field(answer, "testEndpoint", Diagnostics)
})
