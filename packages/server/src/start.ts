/** `npm start`: from a fresh clone to a table that travelled, in one command. */
import { enableCompileCache } from "node:module"

enableCompileCache()
const [{ runCommand }, { start }] = await Promise.all([import("./cli/Main.ts"), import("./start/Command.ts")])
await runCommand(start, process.argv.slice(2))
