/** A run is one attempt to carry a unit from its source to its sink, slice by slice. */
import { Schema } from "effect"
import { JsonObject } from "./Endpoint.ts"
import type { UnitKey } from "./Unit.ts"

/** Opaque to clients; `ingestion-<endpoint row id>-<unitId>-<uuid>`. */
export const RunId = Schema.NonEmptyString.pipe(Schema.brand("RunId"))
export type RunId = typeof RunId.Type

export const runIdOf = (unit: UnitKey, uuid: string): RunId =>
  RunId.make(`ingestion-${unit.endpointId}-${unit.unitId}-${uuid}`)

const Natural = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** Grows by one with every run of a unit. Whoever writes with an older epoch is refused. */
export const Epoch = Natural.pipe(Schema.brand("Epoch"))
export type Epoch = typeof Epoch.Type

/** One filling of a sink from an empty checkpoint. */
export const Generation = Natural.pipe(Schema.brand("Generation"))
export type Generation = typeof Generation.Type

/** Numbers the slices of a generation without a gap, from zero. */
export const SliceSeq = Natural.pipe(Schema.brand("SliceSeq"))
export type SliceSeq = typeof SliceSeq.Type

/** Flat: counts are integers, durations milliseconds, sizes bytes; other keys are what the worker and the sink say. */
export const RunStats = JsonObject
export type RunStats = typeof RunStats.Type
