import { assert, describe, it } from "@effect/vitest"
import {
  PythonWorkerError,
  RequestRejected,
  WorkerContractViolation,
  WorkerLost,
  WorkerUnavailable
} from "../../src/services/PythonWorker.ts"

const rejected = (retry: "Later" | "AfterFix" | "Never") =>
  new RequestRejected({ problem: { tag: "Throttled", retry, role: "source", message: "No.", details: {} } })

describe("whether the same request may succeed when it is made again", () => {
  it.each([
    ["a worker that cannot be had", new WorkerUnavailable({ detail: "none starts" }), true],
    ["a worker that died", new WorkerLost({ detail: "SIGKILL" }), true],
    ["an answer that is no word of the protocol", new WorkerContractViolation({ issue: "slices" }), false],
    ["a request rejected for now", rejected("Later"), true],
    ["a request rejected until somebody mends it", rejected("AfterFix"), false],
    ["a request rejected for good", rejected("Never"), false]
  ] as const)("%s", (_, reason, expected) => {
    assert.strictEqual(new PythonWorkerError({ reason }).isRetryable, expected)
  })
})
