// Prints what vitest's JSON report counted, as one line. A file that did not even load counts as one failure.
import { readFileSync } from "node:fs"

const files = JSON.parse(readFileSync(process.argv[2], "utf8")).testResults
const count = { passed: 0, failed: 0, skipped: 0 }
for (const file of files) {
  for (const test of file.assertionResults)
    count[test.status === "passed" || test.status === "failed" ? test.status : "skipped"]++
  if (file.status === "failed" && !file.assertionResults.some((t) => t.status === "failed")) count.failed++
}
console.log(`vitest: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
if (count.failed > 0 || count.passed === 0) process.exitCode = 1
