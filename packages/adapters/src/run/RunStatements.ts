/**
 * What a run says to the database: one statement to acquire its unit, one to
 * close; what it says of slices is the ledger's. Each is a transaction of its own, and all that
 * change something take the unit's row of `hr_lease` first, so that none waits
 * for another that waits for it.
 */
import type { PgClient } from "@effect/sql-pg"
import { Duration } from "effect"
import { outcomeIn, type RunOutcome } from "@headrace/core/domain/RunOutcome"
import type { SinkId, UnitKey } from "@headrace/core/domain/Unit"
import type { Ending, Run, RunRepo } from "@headrace/core/services/RunRepo"
import type { Fragment } from "effect/sql/Statement"
import { jsonOf, unitRows } from "../sql/UnitRows.ts"
import type { RunOwner } from "./RunOwner.ts"

type Request = Parameters<RunRepo["Service"]["acquire"]>[0]

const columns = `r.run_id as "runId", r.tenant, r.endpoint_id as "endpointId", r.unit_id as "unitId",
  r.sink_id as "sinkId", r.epoch::float8 as epoch, r.generation::float8 as generation,
  r.next_seq::float8 as "nextSeq", r.started_at as "startedAt"`

/** How a run ended that finds this state of its unit. */
const outcomeFound = `case "state" ${Object.entries(outcomeIn)
  .map(([state, outcome]) => `when '${state}' then '${outcome}'`)
  .join(" ")} end`

/** Time is the database's: processes differ in theirs. */
const leaseEnd = (sql: PgClient.PgClient, ttl: Duration.Duration) =>
  sql`clock_timestamp() + ${Duration.toMillis(ttl)}::float8 * interval '1 millisecond'`

/** Nobody holds the unit of this row of `hr_lease`. */
const isFree = (row: string) =>
  `(${row}.owner is null or ${row}.lease_until is null or ${row}.lease_until <= clock_timestamp())`

/**
 * The unit's new epoch, the generation of its sink, the run, and the state, all
 * of it or nothing. No row when another run holds the unit. The last values are
 * read where they are written, so that whoever waited for another's transaction
 * goes on from what that one left.
 */
const acquire =
  (sql: PgClient.PgClient) =>
  (
    { runId, tenant, unit, sinkId, fresh, continues = false }: Request,
    { id, place }: RunOwner,
    ttl: Duration.Duration,
    at: Date
  ) => {
    const { endpointId, unitId } = unit
    const { ofSink } = unitRows(sql)
    const isSpent = sql`(not ${continues} and (last.ended is not null or last.complete and ${fresh}))`
    return sql`
      with lease as (
        insert into hr_lease as held (tenant, endpoint_id, unit_id, epoch, run_id, sink_id, owner, place, lease_until)
        values (${tenant}, ${endpointId}, ${unitId}, 1, ${runId}, ${sinkId}, ${id}::uuid, ${place}, ${leaseEnd(sql, ttl)})
        on conflict (endpoint_id, unit_id) do update set tenant = excluded.tenant, epoch = held.epoch + 1,
          run_id = excluded.run_id, sink_id = excluded.sink_id, owner = excluded.owner, place = excluded.place,
          lease_until = ${leaseEnd(sql, ttl)}
        where ${sql.literal(isFree("held"))}
        returning epoch
      ), filling as (
        insert into hr_generation as last (tenant, endpoint_id, unit_id, sink_id, generation, reason)
        select ${tenant}, ${endpointId}, ${unitId}, ${sinkId}, 1, 'FIRST' from lease
        on conflict (tenant, endpoint_id, unit_id, sink_id) do update set
          generation = last.generation + ${isSpent}::int,
          next_seq = case when ${isSpent} then 0 else last.next_seq end,
          complete = last.complete and not ${isSpent},
          reason = case when ${isSpent} then coalesce(last.ended, 'FULL') else last.reason end,
          opened_at = case when ${isSpent} then now() else last.opened_at end,
          ended = case when ${continues} then last.ended end
        returning generation, next_seq
      ), forgotten as (
        delete from hr_slice using filling
        where ${ofSink(tenant, unit, sinkId)} and hr_slice.generation < filling.generation - 1
      ), shown as (
        insert into "IngestionUnitState"
          ("endpointId", "unitId", "sinkId", "state", "lastRunId", "lastRunAt", "updatedAt")
        select ${endpointId}, ${unitId}, ${sinkId}, 'RUNNING', ${runId}, ${at}::timestamp, ${at}::timestamp
        from lease
        on conflict ("endpointId", "unitId") do update set "sinkId" = excluded."sinkId",
          "state" = excluded."state", "lastRunId" = excluded."lastRunId", "lastRunAt" = excluded."lastRunAt",
          "lastError" = null, "updatedAt" = excluded."updatedAt"
      )
      insert into hr_run as r
        (tenant, run_id, endpoint_id, unit_id, sink_id, epoch, generation, next_seq, started_at)
      select ${tenant}, ${runId}, ${endpointId}, ${unitId}, ${sinkId}, epoch, generation, next_seq,
        clock_timestamp()::timestamptz(3)
      from lease, filling
      returning ${sql.literal(columns)}`
  }

/** What an ending writes into the state. */
const shownBy = (sql: PgClient.PgClient, ending: Ending) => {
  if (ending._tag === "Failed") return sql`"lastError" = ${ending.reason}`
  const copy =
    ending.checkpoint === undefined ? sql`` : sql`, "checkpoint" = ${jsonOf(sql, ending.checkpoint)}`
  return sql`"lastError" = null, "stats" = ${sql.json(ending.stats)}${copy}`
}

/**
 * The end as it was reached. The state is locked where it is read, so that it is
 * what somebody left who paused or reset the unit at the same moment.
 */
const close =
  (sql: PgClient.PgClient) =>
  ({ runId, tenant, unit, sinkId, epoch, generation }: Run, ending: Ending, at: Date) => {
    const { ofSink, ofState, ofUnit } = unitRows(sql)
    const outcome: RunOutcome = ending._tag === "Completed" ? "SUCCEEDED" : "FAILED"
    const filled = ending._tag === "Completed" ? ending.filled : "part"
    return sql`
      with freed as (
        update hr_lease set owner = null, place = null, lease_until = null
        where ${ofUnit(unit)} and epoch = ${epoch} returning 1
      ), found as (
        select "state", "lastRunId" = ${runId} as "isShown" from "IngestionUnitState"
        where ${ofState(unit)} and exists (select from freed) for update
      ), ended as (
        update "IngestionUnitState" as u
        set "state" = ${outcome}, "lastRunAt" = ${at}::timestamp, "updatedAt" = ${at}::timestamp, ${shownBy(sql, ending)}
        from found where ${ofState(unit)} and found."isShown" and found."state" = 'RUNNING'
        returning 1
      ), reached as (
        select case when exists (select from ended) then ${outcome}
          else coalesce((select ${sql.literal(outcomeFound)} from found where "isShown"), 'FAILED') end as outcome
      ), closed as (
        update hr_run set closed_at = now(), outcome = reached.outcome from reached
        where run_id = ${runId} and closed_at is null
        returning 1
      ), counted as (
        update hr_generation set complete = complete or ${filled !== "part"},
          ended = coalesce(ended, ${filled === "whole" ? "COMPLETE" : null})
        where ${ofSink(tenant, unit, sinkId)} and generation = ${generation}
          and exists (select from freed) and exists (select from closed)
      )
      select outcome, coalesce((select "isShown" from found), false) as "isShown" from reached`
  }

export const statements = (sql: PgClient.PgClient) => {
  const { ofSink, ofUnit } = unitRows(sql)
  const isHeld = sql.literal(`exists (
    select from hr_lease l where l.endpoint_id = r.endpoint_id and l.unit_id = r.unit_id and l.run_id = r.run_id
      and not ${isFree("l")})`)
  const open = (where: Fragment) =>
    sql`select ${sql.literal(columns)} from hr_run r where closed_at is null and ${where}`
  return {
    acquire: acquire(sql),
    close: close(sql),

    renew: ({ unit, epoch }: Run, ttl: Duration.Duration) => sql`
      update hr_lease set lease_until = ${leaseEnd(sql, ttl)}
      where ${ofUnit(unit)} and epoch = ${epoch} and owner is not null returning epoch`,

    /** The unit's run that holds it. */
    live: (unit: UnitKey) => open(sql`${ofUnit(unit)} and ${isHeld}`),
    openRuns: open(sql`${isHeld} order by started_at`),

    /** What has passed is taken, so that nobody renews it afterwards; what others take at this moment they tell. */
    orphans: sql`
      with passed as (
        select endpoint_id, unit_id from hr_lease l where owner is not null and ${sql.literal(isFree("l"))}
        for update skip locked
      ), taken as (
        update hr_lease l set owner = null from passed p
        where l.endpoint_id = p.endpoint_id and l.unit_id = p.unit_id returning l.run_id
      )
      select ${sql.literal(columns)} from hr_run r
      where closed_at is null and (run_id in (select run_id from taken) or not exists (
        select from hr_lease l
        where l.endpoint_id = r.endpoint_id and l.unit_id = r.unit_id and l.run_id = r.run_id and l.owner is not null))
      order by started_at`,

    /** Where the processes of this machine run that hold units. */
    places: (machine: string) => sql`
      select distinct place from hr_lease l
      where not ${sql.literal(isFree("l"))} and starts_with(place, ${`${machine} `})`,

    /** What processes at these places hold has passed. */
    letGo: (places: ReadonlyArray<string>) =>
      sql`update hr_lease set lease_until = clock_timestamp() where ${sql.in("place", places)}`,

    /** What this owner holds has passed. */
    leave: ({ id }: RunOwner) =>
      sql`update hr_lease set lease_until = clock_timestamp() where owner = ${id}::uuid`,

    endGeneration: (tenant: string, unit: UnitKey, sinkId: SinkId) =>
      sql`update hr_generation set ended = 'RESET' where ${ofSink(tenant, unit, sinkId)}`
  }
}
