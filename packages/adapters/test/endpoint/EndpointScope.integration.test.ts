/** What only the SQL adapter knows: whose a row is stands in another table. */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as SqlEndpointRepo from "@headrace/adapters/endpoint/SqlEndpointRepo"
import { Endpoint, EndpointId } from "@headrace/core/domain/Endpoint"
import { DateTime, Effect, Option } from "effect"
import * as Database from "../Database.ts"

const at = DateTime.makeUnsafe(0)

const row = (tenant: string, id: string) =>
  Endpoint.make({
    id: EndpointId.make(id),
    sourceId: `${tenant}-${id}`,
    scope: { tenant, project: "global" },
    name: tenant,
    description: null,
    verb: "POST",
    url: "postgresql://db/shop",
    authPolicy: null,
    domain: null,
    labels: [],
    config: null,
    detectedVersion: null,
    versionHint: null,
    capabilities: [],
    createdAt: at,
    updatedAt: at,
    deletedAt: null,
    deletionReason: null
  })

layer(Database.layer, { timeout: "60 seconds", excludeTestServices: true })(
  "the scope of endpoints",
  (it) => {
    it.effect("the id of another tenant's row cannot be taken over", () =>
      Effect.gen(function* () {
        const endpoints = yield* SqlEndpointRepo.make({ defaultTenant: "dev" })
        const theirs = row("acme", "e1")
        yield* endpoints.put(theirs)

        const error = yield* Effect.flip(endpoints.put(row("rival", "e1")))

        assert.strictEqual(error._tag, "EndpointRepoError")
        assert.deepStrictEqual(yield* endpoints.get(theirs.scope, theirs.id), Option.some(theirs))
      })
    )

    it.effect(
      "a new row of the default tenant has an entry too, so that another default does not move it",
      () =>
        Effect.gen(function* () {
          const sql = yield* PgClient.PgClient
          const endpoints = yield* SqlEndpointRepo.make({ defaultTenant: "dev" })
          yield* endpoints.put(row("dev", "e2"))

          const later = yield* SqlEndpointRepo.make({ defaultTenant: "prod" })

          assert.isTrue(
            Option.isSome(yield* later.get({ tenant: "dev", project: "global" }, EndpointId.make("e2")))
          )
          assert.deepStrictEqual(yield* sql`select tenant from hr_endpoint where endpoint_id = 'e2'`, [
            { tenant: "dev" }
          ])
        })
    )
  }
)
