/**
 * The tables that databases from before Headrace have, with their data: made
 * only where they are missing, and never altered. Names, columns and defaults
 * are theirs; times are UTC without a zone.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const createExistingTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table if not exists "MetadataProject" (
      "id" text primary key,
      "slug" text not null unique,
      "displayName" text not null,
      "description" text,
      "labels" text[] not null default '{}',
      "createdAt" timestamp(3) not null default now(),
      "updatedAt" timestamp(3) not null
    )`
  yield* sql`
    create table if not exists "MetadataEndpoint" (
      "id" text primary key,
      "projectId" text references "MetadataProject" ("id"),
      "sourceId" text not null unique,
      "name" text not null,
      "description" text,
      "verb" text not null,
      "url" text not null,
      "authPolicy" text,
      "domain" text,
      "labels" text[] not null default '{}',
      "config" jsonb,
      "detectedVersion" text,
      "versionHint" text,
      "capabilities" text[] not null default '{}',
      "createdAt" timestamp(3) not null default now(),
      "updatedAt" timestamp(3) not null,
      "deletedAt" timestamp(3),
      "deletionReason" text
    )`
  yield* sql`
    create table if not exists "MetadataEndpointTemplate" (
      "id" text primary key,
      "family" text not null,
      "title" text not null,
      "vendor" text not null,
      "descriptor" jsonb not null,
      "createdAt" timestamp(3) not null default now(),
      "updatedAt" timestamp(3) not null
    )`
  yield* sql`
    create table if not exists "IngestionUnitState" (
      "endpointId" text not null,
      "unitId" text not null,
      "sinkId" text not null,
      "state" text not null default 'IDLE',
      "checkpoint" jsonb,
      "lastRunId" text,
      "lastRunAt" timestamp(3),
      "lastError" text,
      "stats" jsonb,
      "createdAt" timestamp(3) not null default now(),
      "updatedAt" timestamp(3) not null,
      primary key ("endpointId", "unitId")
    )`
})
