/**
 * The one file that chooses adapters: stores on PostgreSQL, workers in Python,
 * runs in this process. Whoever wants another arrangement, such as the one in
 * memory, provides core's services otherwise.
 */
import * as SqlEndpointRepo from "@headrace/adapters/endpoint/SqlEndpointRepo"
import * as SqlKvStore from "@headrace/adapters/kv/SqlKvStore"
import * as SqlSliceLedger from "@headrace/adapters/ledger/SqlSliceLedger"
import * as SqlQuarantine from "@headrace/adapters/quarantine/SqlQuarantine"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import * as Database from "@headrace/adapters/sql/Database"
import * as EmbeddedPostgres from "@headrace/adapters/sql/EmbeddedPostgres"
import * as PostgresBinaries from "@headrace/adapters/sql/PostgresBinaries"
import * as SqlTemplateCatalog from "@headrace/adapters/template/SqlTemplateCatalog"
import * as SqlUnitStateRepo from "@headrace/adapters/unit-state/SqlUnitStateRepo"
import * as SocketPythonWorker from "@headrace/adapters/worker/SocketPythonWorker"
import * as Headrace from "@headrace/core/lifecycle/Headrace"
import { IngestionDefaults } from "@headrace/core/lifecycle/Lookups"
import * as MemoryGraphStore from "@headrace/core/memory/MemoryGraphStore"
import * as MemoryRunEvents from "@headrace/core/memory/MemoryRunEvents"
import * as MemorySecrets from "@headrace/core/memory/MemorySecrets"
import { LeaseTimes } from "@headrace/core/services/RunRepo"
import { Duration, Effect, Layer, Option, Redacted } from "effect"
import { join } from "node:path"
import type { ServerConfig } from "./Config.ts"
import * as PrivateFolder from "./PrivateFolder.ts"
import * as SecretKeyFile from "./SecretKeyFile.ts"

/** The folder of the embedded database inside the data directory. */
export const postgresFolder = (data: string): string => join(data, "postgres")

const database = (config: ServerConfig, data: string) =>
  Option.match(config.databaseUrl, {
    onNone: () => Database.layerEmbedded.pipe(Layer.provide(EmbeddedPostgres.layer(postgresFolder(data)))),
    onSome: Database.layerUrl
  })

const stores = ({ defaultTenant }: ServerConfig) =>
  Layer.mergeAll(
    SqlEndpointRepo.layer({ defaultTenant }),
    SqlQuarantine.layer,
    SqlRunRepo.layer,
    Layer.provideMerge(SqlSliceLedger.layer, SqlKvStore.layer),
    SqlTemplateCatalog.layer,
    SqlUnitStateRepo.layer
  )

/** Which PostgreSQL there is, asked without making or changing anything; why not, when there is none. */
export const postgresVersion = ({ databaseUrl }: ServerConfig): Effect.Effect<string, string> =>
  Option.match(databaseUrl, {
    onNone: () =>
      PostgresBinaries.find(PostgresBinaries.packageName).pipe(
        Effect.as(`embedded, from ${PostgresBinaries.packageName}`),
        Effect.mapError(({ message }) => message)
      ),
    onSome: (url) => Effect.mapError(Database.answers(url), ({ message }) => message)
  })

/** What has no durable home yet: the graph lives as long as the process. */
const inMemory = Layer.mergeAll(MemoryGraphStore.layer, MemoryRunEvents.layer)

const worker = ({ python, stagingBucket, stallSeconds, workers }: ServerConfig, data: string) =>
  SocketPythonWorker.layer({
    python,
    workers,
    stagingDir: join(data, "staging"),
    env: Redacted.value(stagingBucket),
    timing: { stall: Duration.seconds(stallSeconds) }
  })

/** One worker and nothing else, for whoever only wants to look. */
export const workerAlone = ({ python }: ServerConfig, stagingDir: string) =>
  SocketPythonWorker.layer({ python, workers: 1, stagingDir })

/** What the settings say for every ingestion that says nothing itself. */
export const defaults = ({ defaultSink, staging }: ServerConfig) =>
  Layer.succeed(IngestionDefaults, {
    sinkId: Option.getOrNull(defaultSink),
    stagingProviderId: Option.getOrNull(staging)
  })

/** A run that was not heard of three times is given up, and looked for twice as often as that takes. */
const leases = ({ leaseSeconds }: ServerConfig) =>
  Layer.succeed(LeaseTimes, {
    ttl: Duration.seconds(leaseSeconds),
    renew: Duration.seconds(leaseSeconds / 3),
    sweep: Duration.seconds(leaseSeconds / 2)
  })

/**
 * Headrace over real stores and workers. Fails when the data directory, the
 * key or the database cannot be used; workers start beside it and never fail it.
 */
export const layer = (config: ServerConfig) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const data = yield* PrivateFolder.prepare(config.data)
      const secrets = MemorySecrets.layerKey(yield* SecretKeyFile.read(data))
      const services = Layer.mergeAll(stores(config), inMemory, secrets, worker(config, data))
      return Headrace.layer.pipe(
        Layer.provideMerge(services),
        Layer.provide([database(config, data), defaults(config), leases(config)])
      )
    })
  )
