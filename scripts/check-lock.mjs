// Every dependency that the npm lock file names is in it, for every platform. An optional native package that was
// missing from the registry when the lock was made would let `npm install` pass here and fail `npm ci` elsewhere.
import { readFileSync } from "node:fs"

const packages = JSON.parse(readFileSync("package-lock.json", "utf8")).packages
const kinds = ["dependencies", "optionalDependencies", "peerDependencies"]

/** Names that `entry` asks for and must find; an optional peer may be absent. */
const asked = (entry) =>
  kinds.flatMap((kind) =>
    Object.keys(entry[kind] ?? {}).filter(
      (name) => kind !== "peerDependencies" || !entry.peerDependenciesMeta?.[name]?.optional
    )
  )

const has = (name) => Object.keys(packages).some((at) => at.endsWith(`node_modules/${name}`))
const missing = Object.entries(packages).flatMap(([at, entry]) =>
  asked(entry)
    .filter((name) => !has(name))
    .map((name) => `${at || "the root"} asks for ${name}, which package-lock.json does not hold`)
)
if (missing.length > 0) {
  console.error(missing.join("\n"))
  process.exit(1)
}
