/** Headrace in memory with one shop: a table of ten orders, a lake, and the verbs in which tests speak of them. */
import { Deferred, Effect, Layer, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Checkpoint, unitPath } from "../../src/domain/Checkpoint.ts"
import type { JsonObject } from "../../src/domain/Endpoint.ts"
import type { RunId } from "../../src/domain/Run.ts"
import { SinkId, UnitId, UnitKey } from "../../src/domain/Unit.ts"
import { CheckpointLog } from "../../src/lifecycle/CheckpointLog.ts"
import { Endpoints } from "../../src/lifecycle/Endpoints.ts"
import * as Headrace from "../../src/lifecycle/Headrace.ts"
import { Ingestion } from "../../src/lifecycle/Ingestion.ts"
import { IngestionStatuses } from "../../src/lifecycle/IngestionStatuses.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import { PythonWorker, type PythonWorkerError } from "../../src/services/PythonWorker.ts"
import { isTerminal, RunEvents, type RunProgress } from "../../src/services/RunEvents.ts"

export const scope = { tenant: "acme", project: "shop" }

/** The unit of the shop: ten rows. */
export const orders = UnitId.make("public.orders")

/** What the lake holds when every row is there once. */
export const allRows = MemoryDataPlane.rowsOf(10)

export const layer = (script: MemoryPythonWorker.Script = {}, contents: MemoryDataPlane.Contents = {}) =>
  layerWorker(MemoryPythonWorker.layerScript(script), contents)

/** The same over another worker. */
export const layerWorker = <R>(
  worker: Layer.Layer<PythonWorker, never, R>,
  contents: MemoryDataPlane.Contents = {}
) =>
  Headrace.layer.pipe(
    Layer.provideMerge(Headrace.layerStoresMemory),
    Layer.provideMerge(worker),
    Layer.provideMerge(MemoryDataPlane.layer(contents))
  )

/** A worker that behaves but for what `change` makes of it. */
export const layerWorkerThat = (
  change: (worker: PythonWorker["Service"]) => Partial<PythonWorker["Service"]>,
  script: MemoryPythonWorker.Script = {}
) =>
  Layer.effect(
    PythonWorker,
    Effect.map(PythonWorker, (worker) => PythonWorker.of({ ...worker, ...change(worker) }))
  ).pipe(Layer.provide(MemoryPythonWorker.layerScript(script)))

const registration = (name: string, templateId: string, more: JsonObject) => ({
  sourceId: name,
  name,
  description: null,
  verb: "POST",
  url: null,
  authPolicy: null,
  domain: null,
  labels: [],
  capabilities: [],
  config: { templateId, parameters: { host: "db", username: "app", password: "hunter2" }, ...more }
})

/** Registers an endpoint of the data plane's template; `more` is added to its configuration. */
export const register = Effect.fnUntraced(function* (
  name: string,
  templateId: string,
  more: JsonObject = {}
) {
  return yield* (yield* Endpoints).register(scope, registration(name, templateId, more))
})

/** Registers an endpoint of no template, as a client can by its url alone. */
export const registerBare = Effect.fnUntraced(function* (name: string, config: JsonObject) {
  const bare = { ...registration(name, "", {}), url: "https://bare.example/", config }
  return yield* (yield* Endpoints).register(scope, bare)
})

/** Sets up an endpoint that may be there already under the same name. */
export const ensure = Effect.fnUntraced(function* (name: string, templateId: string, more: JsonObject = {}) {
  return yield* (yield* Endpoints).ensure(scope, registration(name, templateId, more))
})

/** How clients name a unit and where it goes. */
export interface Named {
  readonly endpointId: string
  readonly unitId: string
  readonly sinkId: string
}

/** Slices of three rows, read on from where the last run came to. */
export const bySlices = { mode: "incremental", targetSliceSize: 3 }

/** A shop and a lake, registered; the unit goes from one into the other. */
export const opened = Effect.fnUntraced(function* (
  ingestionPolicy: JsonObject = bySlices,
  more: JsonObject = {}
) {
  const source = yield* register("shop", MemoryDataPlane.sourceTemplateId, { ingestionPolicy, ...more })
  const lake = yield* register("lake", MemoryDataPlane.sinkTemplateId)
  const key = UnitKey.make({ endpointId: source.id, unitId: orders })
  const sinkId = SinkId.make(lake.id)
  return {
    source,
    lake,
    key,
    name: { endpointId: source.id, unitId: orders, sinkId: lake.id } satisfies Named,
    /** Whose checkpoint it is. */
    place: { tenant: scope.tenant, unit: key, sinkId },
    /** Its name in the lake. */
    path: unitPath(scope.tenant, key, sinkId)
  }
})

export type Shop = Effect.Success<ReturnType<typeof opened>>

export const start = (name: Named) => Ingestion.use((ingestion) => ingestion.start(scope, name))
export const pause = (name: Named) => Ingestion.use((ingestion) => ingestion.pause(scope, name))
export const reset = (name: Named) => Ingestion.use((ingestion) => ingestion.reset(scope, name))

export const status = ({ name: { endpointId, unitId } }: Shop) =>
  IngestionStatuses.use((statuses) => statuses.status(scope, endpointId, unitId))

/** The checkpoint record as it is stored. */
export const kept = ({ place }: Pick<Shop, "place">) => CheckpointLog.use((log) => log.shown(place))

export const cursor = ({ place }: Shop) =>
  CheckpointLog.use((log) => Effect.map(log.read(place), ({ record }) => record?.cursor ?? null))

/** The rows the lake holds of the unit. */
export const landed = ({ path }: Shop) =>
  MemoryDataPlane.MemoryDataPlane.useSync((plane) => MemoryDataPlane.rowsIn(plane, path))

/** What the worker was asked to carry, in order. */
export const asked = MemoryDataPlane.MemoryDataPlane.useSync((plane) => plane.asked)

const upToEnd = (events: Stream.Stream<RunProgress>, runId: RunId | null) =>
  events.pipe(
    Stream.filter((event) => event.runId === runId),
    Stream.takeUntil(isTerminal),
    Stream.runCollect
  )

/** Starts a run that has to be accepted; `end` waits for it and answers all it said. */
export const started = Effect.fnUntraced(function* (name: Named) {
  const events = yield* (yield* RunEvents).subscribe
  const { ok, runId, message } = yield* start(name)
  if (!ok || runId === null) return yield* Effect.die(new Error(`not started: ${message}`))
  return { runId, end: upToEnd(events, runId) }
})

/** Waits for the next end of a run, of those that end from now on. */
export const ends = Effect.map(
  Effect.flatMap(RunEvents, ({ subscribe }) => subscribe),
  (events) => events.pipe(Stream.filter(isTerminal), Stream.runHead, Effect.map(Option.getOrThrow))
)

/** A run from its start to its end; answers the event that ended it. */
export const run = Effect.fnUntraced(function* (name: Named) {
  const { end } = yield* started(name)
  return Option.getOrThrow(Option.fromNullishOr((yield* end).at(-1)))
})

/** The cursor of somebody who has read as many rows. */
export const at = (next: number) => Checkpoint.make({ next })

/** Lets the clock go on for as long as the effect takes, whatever it waits for. */
export const whileTimePasses = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(effect, Effect.forever(Effect.andThen(TestClock.adjust("100 millis"), Effect.yieldNow)))

type Moment = MemoryPythonWorker.Moment
type During = (moment: Moment) => Effect.Effect<void, PythonWorkerError>

/** A moment at which a run stands until it is let go on. */
export const stopAt = (name: Moment["name"], slice: number | null) => {
  const [reached, goOn] = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()]
  const during: During = (moment) =>
    moment.name === name && moment.slice === slice
      ? Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(goOn))
      : Effect.void
  return { during, reached: Deferred.await(reached), goOn: Deferred.succeed(goOn, undefined) }
}

/** Fails once at a moment of a run, and behaves ever after. */
export const failOnceAt = (name: Moment["name"], slice: number, error = MemoryPythonWorker.died) => {
  let isLeft = true
  const during: During = (moment) =>
    Effect.suspend(() => {
      if (!isLeft || moment.name !== name || moment.slice !== slice) return Effect.void
      isLeft = false
      return Effect.fail(error)
    })
  return { during }
}

/** What a test does at every moment of a run, once it has said so. */
export const meanwhile = () => {
  let act: During = () => Effect.void
  const during: During = (moment) => Effect.suspend(() => act(moment))
  return {
    during,
    does: (next: During) =>
      Effect.sync(() => {
        act = next
      })
  }
}
