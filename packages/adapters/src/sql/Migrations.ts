/** Every schema change, oldest first. Append only: a migration that ran anywhere is never edited. */
import type { Effect } from "effect"
import { Migrator, type SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { createExistingTables } from "./migrations/0001_create_existing_tables.ts"
import { createEndpointScope } from "./migrations/0002_create_endpoint_scope.ts"
import { createKv } from "./migrations/0003_create_kv.ts"
import { createRun } from "./migrations/0004_create_run.ts"
import { createLeaseAndGeneration } from "./migrations/0005_create_lease_and_generation.ts"
import { createQuarantine } from "./migrations/0006_create_quarantine.ts"
import { addQuarantinePolicy } from "./migrations/0007_add_quarantine_policy.ts"
import { addLeaseExpiry } from "./migrations/0008_add_lease_expiry.ts"
import { createSlice } from "./migrations/0009_create_slice.ts"

export const migrations = {
  "0001_create_existing_tables": createExistingTables,
  "0002_create_endpoint_scope": createEndpointScope,
  "0003_create_kv": createKv,
  "0004_create_run": createRun,
  "0005_create_lease_and_generation": createLeaseAndGeneration,
  "0006_create_quarantine": createQuarantine,
  "0007_add_quarantine_policy": addQuarantinePolicy,
  "0008_add_lease_expiry": addLeaseExpiry,
  "0009_create_slice": createSlice
} as const

/** Runs what has not run yet, and says what that was. Several processes may start at once: one of them does it. */
export const migrate: Effect.Effect<
  ReadonlyArray<readonly [id: number, name: string]>,
  Migrator.MigrationError | SqlError,
  SqlClient.SqlClient
> = Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: "hr_migration" })
