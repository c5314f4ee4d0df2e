/** What a client is told when the control database is away: that, and what to do; of a mistake of ours only a number. */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import * as SqlEndpointRepo from "@headrace/adapters/endpoint/SqlEndpointRepo"
import * as SqlKvStore from "@headrace/adapters/kv/SqlKvStore"
import * as SqlTemplateCatalog from "@headrace/adapters/template/SqlTemplateCatalog"
import * as SqlUnitStateRepo from "@headrace/adapters/unit-state/SqlUnitStateRepo"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { EndpointRepoError } from "@headrace/core/services/EndpointRepo"
import { RunRepoError } from "@headrace/core/services/RunRepo"
import { Data, Effect, Schema } from "effect"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import { explain, type Shown } from "../../src/graphql/errors.ts"

const told = <A>(asking: Effect.Effect<A, Shown>) =>
  asking.pipe(
    Effect.sandbox,
    Effect.flip,
    Effect.flatMap(explain),
    Effect.map(({ message, extensions }) => ({ message, code: extensions["code"] }))
  )

const nowhere = PgClient.layer({ path: "/nowhere/.s.PGSQL.5432", username: "postgres" })

/** The database closed the session while it goes down, as its code says. */
class Shutdown extends Data.Error<{ readonly code: string }> {}
const closing = new SqlError({
  reason: new UnknownError({
    cause: new Shutdown({ code: "57P01" }),
    message: "terminating",
    operation: "query"
  })
})

describe("a database that is away", () => {
  it.effect("is told as such, whichever store asks it", () =>
    Effect.gen(function* () {
      const scope = { tenant: "dev", project: "global" }
      const endpoints = yield* SqlEndpointRepo.make({ defaultTenant: "dev" })
      const kv = yield* SqlKvStore.make
      const states = yield* SqlUnitStateRepo.make
      const catalog = yield* SqlTemplateCatalog.make

      const errors = yield* Effect.all([
        told(endpoints.list(scope)),
        told(kv.get("dev", "key")),
        told(states.list(EndpointId.make("e"))),
        told(catalog.known)
      ])

      for (const { code, message } of errors) {
        assert.strictEqual(code, "E_DATABASE_UNAVAILABLE")
        assert.match(message, /database does not answer.*HEADRACE_DATABASE_URL.*ask again/)
      }
    }).pipe(Effect.provide(nowhere))
  )

  it.effect("is told of one that goes down", () =>
    Effect.gen(function* () {
      const { code } = yield* told(Effect.fail(new RunRepoError({ cause: closing })))

      assert.strictEqual(code, "E_DATABASE_UNAVAILABLE")
    })
  )

  it.effect("is not told of a row that makes no sense, which is a matter for the log", () =>
    Effect.gen(function* () {
      const cause = yield* Effect.flip(Schema.decodeUnknownEffect(Schema.Int)("x"))

      const { code, message } = yield* told(Effect.fail(new EndpointRepoError({ cause })))

      assert.strictEqual(code, "INTERNAL_SERVER_ERROR")
      assert.match(message, /Something went wrong/)
    })
  )
})
