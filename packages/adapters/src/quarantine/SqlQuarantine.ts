/** `Quarantine` over the table `hr_quarantine`. Rows stay for 30 days and go when others come. */
import { PgClient } from "@effect/sql-pg"
import { EndpointId, JsonObject } from "@headrace/core/domain/Endpoint"
import { Generation, RunId, SliceSeq } from "@headrace/core/domain/Run"
import { type RejectedRow } from "@headrace/core/domain/Slice"
import { SinkId, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import {
  type KeptKey,
  type KeptRow,
  Quarantine,
  QuarantineError,
  type QuarantinePlace,
  type Replaying
} from "@headrace/core/services/Quarantine"
import { Effect, Layer, Schema } from "effect"

const Unit = { endpointId: EndpointId, unitId: UnitId, sinkId: SinkId }

const Row = Schema.Struct({
  ...Unit,
  generation: Generation,
  sliceSeq: SliceSeq,
  position: Schema.Int,
  runId: RunId,
  code: Schema.NonEmptyString,
  reason: Schema.String,
  column: Schema.NullOr(Schema.String),
  sha256: Schema.String,
  payload: Schema.NullOr(Schema.String),
  policy: Schema.NullOr(JsonObject),
  keptAt: Schema.DateTimeUtcFromDate
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

const Summary = Schema.Struct({
  ...Unit,
  code: Schema.String,
  rows: Schema.Int,
  newest: Schema.DateTimeUtcFromDate
})
const decodeSummaries = Schema.decodeUnknownEffect(Schema.Array(Summary))

const withUnit = <Row extends { readonly endpointId: EndpointId; readonly unitId: UnitId }>({
  endpointId,
  unitId,
  ...row
}: Row) => ({ ...row, unit: UnitKey.make({ endpointId, unitId }) })

const rowsOf = (found: unknown): Effect.Effect<ReadonlyArray<KeptRow>, Schema.SchemaError> =>
  Effect.map(decodeRows(found), (rows) => rows.map(withUnit))

const failed = (cause: unknown) => new QuarantineError({ cause })

/** The statements, as they are said. */
const statements = (sql: PgClient.PgClient) => {
  const columns = sql.literal(
    `endpoint_id as "endpointId", unit_id as "unitId", sink_id as "sinkId", generation::float8 as generation,
     slice_seq::float8 as "sliceSeq", position::float8 as position, run_id as "runId", code, reason,
     column_name as "column", encode(sha256, 'hex') as sha256, sealed as payload, policy, kept_at as "keptAt"`
  )
  const of = ({ tenant, unit, sinkId }: QuarantinePlace) =>
    sql`tenant = ${tenant} and endpoint_id = ${unit.endpointId} and unit_id = ${unit.unitId} and sink_id = ${sinkId}`
  const at = ({ generation, sliceSeq, position }: KeptKey) =>
    sql`generation = ${generation} and slice_seq = ${sliceSeq} and position = ${position}`
  const waits = sql.literal("seen and taken_at is null")
  const noClaim = sql.literal("claim_run = null, claim_generation = null, claim_seq = null")

  return {
    expire: sql`delete from hr_quarantine where expires_at < now()`,

    keep: (
      { tenant, unit, sinkId }: QuarantinePlace,
      { runId, generation, sliceSeq }: Replaying,
      row: RejectedRow,
      policy: JsonObject | null
    ) => sql`
      insert into hr_quarantine (tenant, endpoint_id, unit_id, sink_id, generation, slice_seq, position, run_id,
        code, reason, column_name, sha256, sealed, policy, kept_at, expires_at)
      values (${tenant}, ${unit.endpointId}, ${unit.unitId}, ${sinkId}, ${generation}, ${sliceSeq},
        ${row.position}, ${runId}, ${row.code}, ${row.reason}, ${row.column}, decode(${row.sha256}, 'hex'),
        ${row.payload}, ${policy === null ? null : sql.json(policy)}, now(), now() + interval '30 days')
      on conflict (tenant, endpoint_id, unit_id, sink_id, generation, slice_seq, position) do update
      set run_id = excluded.run_id, code = excluded.code, reason = excluded.reason,
        column_name = excluded.column_name, sha256 = excluded.sha256, sealed = excluded.sealed,
        policy = excluded.policy, kept_at = excluded.kept_at, expires_at = excluded.expires_at, seen = false,
        taken_at = null, ${noClaim}`,

    /**
     * Slices up to `newest` count: what they took in is done with, what they left behind is seen.
     * Those after it were never committed. What is claimed was seen before.
     */
    reconcile: (place: QuarantinePlace, generation: Generation, newest: number) => sql`
      with never as (
        delete from hr_quarantine
        where ${of(place)} and generation = ${generation} and slice_seq > ${newest} and not seen
      )
      update hr_quarantine set seen = true, ${noClaim},
        taken_at = case when claim_generation = ${generation} and claim_seq <= ${newest} then now() else taken_at end
      where ${of(place)}
        and (claim_run is not null or generation = ${generation} and slice_seq <= ${newest} and not seen)`,

    summary: (tenant: string) => sql`
      select endpoint_id as "endpointId", unit_id as "unitId", sink_id as "sinkId", code,
        count(*)::int as rows, max(kept_at) as newest
      from hr_quarantine where tenant = ${tenant} and ${waits} and expires_at > now()
      group by endpoint_id, unit_id, sink_id, code order by endpoint_id, unit_id, sink_id, code`,

    rows: (place: QuarantinePlace, limit: number, after?: KeptKey) => sql`
      select ${columns} from hr_quarantine where ${of(place)} and ${waits} and expires_at > now()
        and (hr_quarantine.generation, slice_seq, hr_quarantine.position)
          > (${after?.generation ?? -1}, ${after?.sliceSeq ?? -1}, ${after?.position ?? -1})
      order by hr_quarantine.generation, slice_seq, hr_quarantine.position limit ${limit}`,

    claim: (place: QuarantinePlace, key: KeptKey, by: Replaying) => sql`
      update hr_quarantine
      set claim_run = ${by.runId}, claim_generation = ${by.generation}, claim_seq = ${by.sliceSeq}
      where ${of(place)} and ${at(key)} and ${waits}
      returning ${columns}`,

    refuse: (
      place: QuarantinePlace,
      key: KeptKey,
      { code, reason, column }: Pick<RejectedRow, "code" | "reason" | "column">
    ) => sql`
      update hr_quarantine set code = ${code}, reason = ${reason}, column_name = ${column}, ${noClaim}
      where ${of(place)} and ${at(key)}`,

    forget: (place: QuarantinePlace, before: Generation | null) => sql`
      delete from hr_quarantine
      where ${of(place)} and (${before}::bigint is null or generation < ${before}::bigint)`
  }
}

export const make = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  const say = statements(sql)

  return Quarantine.of({
    keep: Effect.fn("SqlQuarantine.keep")(
      function* (place, slice, rows, policy) {
        yield* say.expire
        yield* Effect.forEach(rows, (row) => say.keep(place, slice, row, policy), { discard: true })
      },
      sql.withTransaction,
      Effect.mapError(failed)
    ),
    reconcile: Effect.fn("SqlQuarantine.reconcile")((place, generation, newest) =>
      say.reconcile(place, generation, newest ?? -1).pipe(Effect.asVoid, Effect.mapError(failed))
    ),
    summary: Effect.fn("SqlQuarantine.summary")((tenant: string) =>
      say.summary(tenant).pipe(
        Effect.flatMap(decodeSummaries),
        Effect.map((found) => found.map(withUnit)),
        Effect.mapError(failed)
      )
    ),
    rows: Effect.fn("SqlQuarantine.rows")((place, limit, after) =>
      say.rows(place, limit, after).pipe(Effect.flatMap(rowsOf), Effect.mapError(failed))
    ),
    claim: Effect.fn("SqlQuarantine.claim")(
      function* (place, keys, by) {
        const found = yield* Effect.forEach(keys, (key) => Effect.flatMap(say.claim(place, key, by), rowsOf))
        return found.flat()
      },
      sql.withTransaction,
      Effect.mapError(failed)
    ),
    refuse: Effect.fn("SqlQuarantine.refuse")((place, key, why) =>
      say.refuse(place, key, why).pipe(Effect.asVoid, Effect.mapError(failed))
    ),
    forget: Effect.fn("SqlQuarantine.forget")((place, before) =>
      say.forget(place, before).pipe(Effect.asVoid, Effect.mapError(failed))
    )
  })
})

export const layer: Layer.Layer<Quarantine, never, PgClient.PgClient> = Layer.effect(Quarantine, make)
