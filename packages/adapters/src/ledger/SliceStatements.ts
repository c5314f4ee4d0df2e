/**
 * What a run says to the database of its slices: one statement before the sink
 * may commit a slice, one when it has. Each is a transaction of its own and
 * takes the unit's row of `hr_lease` first, as every statement of a run does.
 */
import type { PgClient } from "@effect/sql-pg"
import { checkpointKey } from "@headrace/core/domain/Checkpoint"
import type { Generation } from "@headrace/core/domain/Run"
import { absent } from "@headrace/core/services/KvStore"
import type { Run } from "@headrace/core/services/RunRepo"
import type { Finalising, Intended } from "@headrace/core/services/SliceLedger"
import { jsonOf, unitRows } from "../sql/UnitRows.ts"

const key = "(tenant, endpoint_id, unit_id, sink_id, generation, slice_seq)"

/** The unit is the run's, and stays so until the statement is through. */
const held = (sql: PgClient.PgClient, { unit, epoch }: Run) => sql`
  select from hr_lease where ${unitRows(sql).ofUnit(unit)} and epoch = ${epoch} and owner is not null for share`

/** The columns that say which slice it is, as they are selected. */
const keyOf = (
  sql: PgClient.PgClient,
  { tenant, unit: { endpointId, unitId }, sinkId, generation }: Run,
  sliceSeq: number
) => sql`${tenant}, ${endpointId}, ${unitId}, ${sinkId}, ${generation}::bigint, ${sliceSeq}::bigint`

const intend = (sql: PgClient.PgClient) => (run: Run, slice: Intended) => {
  const { sliceSeq, from, to, read, rows, rejected, filtered, sha256 } = slice
  return sql`
    with held as (${held(sql, run)}),
    wanted as (
      select from held, "IngestionUnitState"
      where ${unitRows(sql).ofState(run.unit)} and "lastRunId" = ${run.runId} and "state" = 'RUNNING'
    ), noted as (
      insert into hr_slice as s (tenant, endpoint_id, unit_id, sink_id, generation, slice_seq, phase, epoch, run_id,
        from_ckpt, to_ckpt, read, rows, quarantined, filtered, sha256)
      select ${keyOf(sql, run, sliceSeq)}, 'COMMITTING', ${run.epoch}::bigint, ${run.runId},
        ${jsonOf(sql, from)}::jsonb, ${jsonOf(sql, to)}::jsonb,
        ${read}::bigint, ${rows}::bigint, ${rejected}::bigint, ${filtered}::bigint, ${sha256}
      from wanted
      on conflict ${sql.literal(key)} do update set epoch = excluded.epoch, run_id = excluded.run_id,
        from_ckpt = excluded.from_ckpt, to_ckpt = excluded.to_ckpt, read = excluded.read, rows = excluded.rows,
        quarantined = excluded.quarantined, filtered = excluded.filtered, sha256 = excluded.sha256, noted_at = now()
      where s.phase <> 'COMMITTED'
    )
    select exists (select from wanted) as "isOurs"`
}

/** Moves the checkpoint from the version it is expected at, once `next` says so. */
const moved = (
  sql: PgClient.PgClient,
  { tenant, unit, sinkId }: Run,
  { checkpoint, expected }: Finalising
) => {
  const [k, v] = [checkpointKey(unit, sinkId), sql`${JSON.stringify(checkpoint)}::jsonb`]
  return expected === absent
    ? sql`insert into hr_kv (ns, k, v, version) select ${tenant}, ${k}, ${v}, 1 from next
        on conflict do nothing returning version`
    : sql`update hr_kv set v = ${v}, version = version + 1, updated_at = now() from next
        where ns = ${tenant} and k = ${k} and version = ${expected} returning version`
}

/** It was moved elsewhere, right before. */
const movedBefore = (sql: PgClient.PgClient, { expected }: Finalising) =>
  sql`select ${expected}::bigint + 1 as version from next`

/**
 * What was counted at the seal is true of what landed when one run did both;
 * else the sink's record is all that is known.
 */
const landed = (sql: PgClient.PgClient, run: Run, { slice }: Finalising) => {
  const { sliceSeq, fromCkpt, toCkpt, rows, sha256, epoch } = slice
  const counted = ["read", "quarantined", "filtered"].map(
    (column) =>
      `${column} = case when s.epoch = excluded.epoch and s.rows = excluded.rows then s.${column} end`
  )
  return sql`
    insert into hr_slice as s (tenant, endpoint_id, unit_id, sink_id, generation, slice_seq, phase, epoch, run_id,
      from_ckpt, to_ckpt, rows, sha256, committed_at)
    select ${keyOf(sql, run, sliceSeq)}, 'COMMITTED', ${epoch}::bigint, ${run.runId},
      ${jsonOf(sql, fromCkpt)}::jsonb, ${jsonOf(sql, toCkpt)}::jsonb, ${rows}::bigint, ${sha256}, now()
    from moved
    on conflict ${sql.literal(key)} do update set phase = excluded.phase, epoch = excluded.epoch,
      from_ckpt = excluded.from_ckpt, to_ckpt = excluded.to_ckpt, rows = excluded.rows, sha256 = excluded.sha256,
      committed_at = excluded.committed_at, ${sql.literal(counted.join(", "))}`
}

/**
 * All that makes a slice count hangs on the checkpoint's move, which hangs on
 * the slice being the next one, and that on the lease. Of two that finalise one
 * slice, the second waits for the generation's row and finds it gone on.
 */
const finalise = (sql: PgClient.PgClient) => (run: Run, to: Finalising, isMoved: boolean) => {
  const { ofSink, ofState } = unitRows(sql)
  const { runId, tenant, unit, sinkId, generation } = run
  const { sliceSeq } = to.slice
  const place = ofSink(tenant, unit, sinkId)
  return sql`
    with held as (${held(sql, run)}),
    next as (
      select from held, hr_generation
      where ${place} and generation = ${generation} and next_seq = ${sliceSeq} for update of hr_generation
    ), moved as (${isMoved ? movedBefore(sql, to) : moved(sql, run, to)}),
    landed as (${landed(sql, run, to)}),
    counted as (
      update hr_generation set next_seq = next_seq + 1 from moved where ${place}
    ), shown as (
      update "IngestionUnitState" set "checkpoint" = ${jsonOf(sql, to.checkpoint)} from moved
      where ${ofState(unit)} and "lastRunId" = ${runId}
    ), taken as (
      update hr_quarantine set taken_at = now(), claim_run = null, claim_generation = null, claim_seq = null
      from moved where ${place} and claim_generation = ${generation} and claim_seq = ${sliceSeq}
    ), seen as (
      update hr_quarantine set seen = true
      from moved where ${place} and generation = ${generation} and slice_seq = ${sliceSeq} and not seen
    )
    select exists (select from held) as holds, (select version::float8 from moved) as version`
}

export const statements = (sql: PgClient.PgClient) => ({
  intend: intend(sql),
  finalise: finalise(sql),

  /** Whether the unit is the run's, and which slice its generation lacks next. */
  standing: (run: Run) => sql`
    with held as (${held(sql, run)})
    select exists (select from held) as holds, (
      select next_seq::float8 from hr_generation
      where ${unitRows(sql).ofSink(run.tenant, run.unit, run.sinkId)} and generation = ${run.generation}) as next`,

  slicesOf: (
    { tenant, unit, sinkId }: Pick<Run, "tenant" | "unit" | "sinkId">,
    generation: Generation
  ) => sql`
    select slice_seq::float8 as "sliceSeq", phase, epoch::float8 as epoch, run_id as "runId",
      from_ckpt as "from", to_ckpt as "to", read::float8 as read, rows::float8 as rows,
      quarantined::float8 as rejected, filtered::float8 as filtered, sha256
    from hr_slice where ${unitRows(sql).ofSink(tenant, unit, sinkId)} and generation = ${generation}
    order by slice_seq`
})
