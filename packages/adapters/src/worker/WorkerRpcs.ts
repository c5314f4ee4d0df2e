/**
 * The calls of the worker as an effect/rpc contract. The words themselves are
 * core's `protocol/Protocol.ts`; `python/src/headrace/worker.py` answers them.
 * Decoding is strict both ways: a field that no word has is refused with its path.
 */
import {
  BuildConnection,
  Connection,
  ConnectionTest,
  Decide,
  Hello,
  HelloAnswer,
  ListTemplates,
  ListUnits,
  Preview,
  PreviewAnswer,
  Problem,
  RunEvent,
  RunIngestionUnit,
  Swept,
  SweepStaging,
  Templates,
  TestConnection,
  Units
} from "@headrace/core/protocol/Protocol"
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

const error = Problem

export class WorkerRpcs extends RpcGroup.make(
  Rpc.make("hello", { payload: Hello, success: HelloAnswer, error }),
  Rpc.make("listTemplates", { payload: ListTemplates, success: Templates, error }),
  Rpc.make("buildConnection", { payload: BuildConnection, success: Connection, error }),
  Rpc.make("testConnection", { payload: TestConnection, success: ConnectionTest, error }),
  Rpc.make("listUnits", { payload: ListUnits, success: Units, error }),
  Rpc.make("preview", { payload: Preview, success: PreviewAnswer, error }),
  Rpc.make("runIngestionUnit", { payload: RunIngestionUnit, success: RunEvent, error, stream: true }),
  Rpc.make("decide", { payload: Decide, success: Schema.Void, error }),
  Rpc.make("sweepStaging", { payload: SweepStaging, success: Swept, error })
).annotateRpcs(Rpc.ParseOptions, { onExcessProperty: "error" }) {}
