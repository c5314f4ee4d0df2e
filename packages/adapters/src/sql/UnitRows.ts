/** How statements name the rows of a unit, of it and its sink, and of its state; and how they say JSON. */
import type { PgClient } from "@effect/sql-pg"
import type { SinkId, UnitKey } from "@headrace/core/domain/Unit"
import type { Schema } from "effect"

/** The client's own JSON parameter would make of null a value that is not missing. */
export const jsonOf = (sql: PgClient.PgClient, value: Schema.Json) =>
  value === null ? null : sql.json(value)

export const unitRows = (sql: PgClient.PgClient) => {
  const ofUnit = ({ endpointId, unitId }: UnitKey) => sql`endpoint_id = ${endpointId} and unit_id = ${unitId}`
  const ofSink = (tenant: string, unit: UnitKey, sinkId: SinkId) =>
    sql`tenant = ${tenant} and ${ofUnit(unit)} and sink_id = ${sinkId}`
  const ofState = ({ endpointId, unitId }: UnitKey) =>
    sql`"endpointId" = ${endpointId} and "unitId" = ${unitId}`
  return { ofUnit, ofSink, ofState }
}
