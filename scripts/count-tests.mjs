// Adds up every report in .headrace/reports and prints one line, `N passed, M failed`. A file that did not load, a
// report that is missing and a test that was skipped each count as a failure: nothing is to vanish from the sum.
// Usage: node scripts/count-tests.mjs NAME… (the report names given to test.mjs)
import { existsSync, readFileSync } from "node:fs"

const reports = ".headrace/reports"
const count = { passed: 0, failed: 0 }
const problems = []
const failed = (what, times = 1) => {
  count.failed += times
  problems.push(what)
}

const addVitest = (file) => {
  for (const suite of JSON.parse(readFileSync(file, "utf8")).testResults) {
    for (const test of suite.assertionResults) {
      if (test.status === "passed") count.passed++
      else failed(`${test.status}: ${test.fullName}`)
    }
    if (suite.status === "failed" && !suite.assertionResults.some((test) => test.status === "failed"))
      failed(`did not load: ${suite.name}`)
  }
}

const addPytest = (file) => {
  for (const [, attributes] of readFileSync(file, "utf8").matchAll(/<testsuite ([^>]*)>/g)) {
    const number = (key) => Number(new RegExp(`${key}="(\\d+)"`).exec(attributes)?.[1] ?? 0)
    const bad = number("errors") + number("failures") + number("skipped")
    count.passed += number("tests") - bad
    if (bad > 0) failed(`${bad} of ${file}`, bad)
  }
}

const add = (kind, name, read) => {
  const file = `${reports}/${name}.${kind}`
  if (existsSync(file)) read(file)
  else failed(`no report ${file}`)
}

for (const name of process.argv.slice(2)) {
  add("vitest.json", name, addVitest)
  add("pytest.xml", name, addPytest)
}
for (const problem of problems) console.error(problem)
console.log(`${count.passed} passed, ${count.failed} failed`)
process.exit(count.failed > 0 || count.passed === 0 ? 1 : 0)
