/** Events of one run, `seconds` after the epoch. */
import * as DateTime from "effect/DateTime"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { RunId } from "@headrace/core/domain/Run"
import { UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { RunProgress } from "@headrace/core/services/RunEvents"

export const happened = (seconds: number, change: Partial<RunProgress>) =>
  RunProgress.make({
    at: DateTime.makeUnsafe(seconds * 1000),
    unit: UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make("public.orders") }),
    runId: RunId.make("run-1"),
    event: "SLICE_PROGRESS",
    state: "RUNNING",
    phase: null,
    slice: null,
    sliceCount: null,
    exportedRows: 0,
    appliedRows: 0,
    bytes: 0,
    rowsTotal: null,
    message: null,
    stats: null,
    ...change
  })
