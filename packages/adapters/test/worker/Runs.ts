/** Runs of the test endpoints over `PythonWorker`, and the processes that carry them. */
import { assert } from "@effect/vitest"
import { EndpointId, EndpointRef, type Parameters, TemplateId } from "@headrace/core/domain/Endpoint"
import { RunIngestionUnit, type RunEvent, type Verdict } from "@headrace/core/protocol/Protocol"
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import { Deferred, Effect, Schema, Stream } from "effect"
import { execFileSync } from "node:child_process"

export const endpoint = (id: string, templateId: string, parameters: Parameters = {}) =>
  EndpointRef.make({ id: EndpointId.make(id), templateId: TemplateId.make(templateId), parameters })

export const rows = JSON.stringify(
  Array.from({ length: 5 }, (_, index) => ({ id: index + 1, name: `row ${index + 1}` }))
)
export const numbers = endpoint("numbers", "test.rows", { rows, sliceRows: "2" })
const lake = endpoint("lake", "test.rows")

export const request = (runId: string, change: Partial<RunIngestionUnit> = {}): RunIngestionUnit => ({
  ...Schema.decodeUnknownSync(RunIngestionUnit)({
    endpointId: "numbers",
    unitId: "rows",
    checkpoint: null,
    policy: { mode: "incremental" },
    sinkEndpointId: "lake",
    stagingProviderId: "in_memory",
    // A tenant of its own: the test sink remembers what it holds, as every sink does.
    tenant: `tenant of ${runId}`,
    runId,
    epoch: 1,
    generation: 1,
    nextSeq: 0,
    replay: null,
    deadline: null,
    source: numbers,
    sink: lake
  }),
  ...change
})

/** Runs a unit and answers each `Sealed` and `Records` with `verdict`. */
export const carry = Effect.fnUntraced(function* (run: RunIngestionUnit, verdict: Verdict = "commit") {
  const worker = yield* PythonWorker
  const decide = (event: RunEvent) => {
    if (event._tag !== "Sealed" && event._tag !== "Records") return Effect.void
    const batch = event._tag === "Records" ? event.batch : null
    return worker.decide({ runId: run.runId, sliceSeq: event.sliceSeq, batch, verdict })
  }
  const events = yield* Stream.runCollect(Stream.tap(worker.runIngestionUnit(run), decide))
  return events.filter(({ _tag }) => _tag !== "Progress")
})

/** A run that stands still at its first `Sealed`; ends with how the stream ended. */
export const standing = Effect.fnUntraced(function* (runId: string) {
  const worker = yield* PythonWorker
  const sealed = yield* Deferred.make<void>()
  const fiber = yield* worker.runIngestionUnit(request(runId)).pipe(
    Stream.runForEach((event) =>
      event._tag === "Sealed" ? Deferred.succeed(sealed, undefined) : Effect.void
    ),
    Effect.result,
    Effect.forkChild
  )
  yield* Deferred.await(sealed)
  return fiber
})

export const tagsOf = (events: ReadonlyArray<RunEvent>) => events.map(({ _tag }) => _tag)

/** Processes of this test whose command names the worker's module: our own children. */
export const workerPids = Effect.sync(() =>
  execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(process.pid)], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes("headrace.worker"))
    .map((line) => Number.parseInt(line, 10))
)

export const theOnlyPid = Effect.gen(function* () {
  const pids = yield* workerPids
  assert.lengthOf(pids, 1)
  return pids[0] ?? 0
})

export const signal = (pid: number, name: "SIGKILL" | "SIGSTOP") =>
  Effect.sync(() => void process.kill(pid, name))
