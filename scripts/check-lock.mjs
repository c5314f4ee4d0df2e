// scripts/check-lock.mjs: every dependency named in the lock file is in it, for every platform
import { readFileSync } from "node:fs"

const packages = JSON.parse(readFileSync("package-lock.json", "utf8")).packages
const missing = []
for (const [at, p] of Object.entries(packages)) {
  for (const kind of ["dependencies", "optionalDependencies", "peerDependencies"]) {
    for (const name of Object.keys(p[kind] ?? {})) {
      if (kind === "peerDependencies" && p.peerDependenciesMeta?.[name]?.optional) continue
      if (!Object.keys(packages).some((q) => q.endsWith(`node_modules/${name}`)))
        missing.push(`${at} → ${name}`)
    }
  }
}
if (missing.length > 0) {
  console.error(missing.join("\n"))
  process.exit(1)
}
