/** A process of its own that opens a run in a database and stays: prints the run's id. To be killed at will. */
import { PgClient } from "@effect/sql-pg"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { RunId } from "@headrace/core/domain/Run"
import { knowledgeBase, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { RunRepo } from "@headrace/core/services/RunRepo"
import { Effect, Layer } from "effect"

const [path = "", database = "", endpointId = ""] = process.argv.slice(2)

const hold = Effect.gen(function* () {
  const unit = UnitKey.make({ endpointId: EndpointId.make(endpointId), unitId: UnitId.make("orders") })
  const runId = RunId.make(`run-of-${process.pid}`)
  yield* (yield* RunRepo).acquire({ runId, tenant: "dev", unit, sinkId: knowledgeBase, fresh: false })
  yield* Effect.sync(() => process.stdout.write(`${runId}\n`))
  return yield* Effect.never
})

NodeRuntime.runMain(
  hold.pipe(
    Effect.provide(
      SqlRunRepo.layer.pipe(Layer.provide(PgClient.layer({ path, username: "postgres", database })))
    )
  )
)
