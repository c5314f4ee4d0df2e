#!/usr/bin/env node
/** The command `headrace`. Compiled code is kept, so that the next call starts sooner. */
import { enableCompileCache } from "node:module"
import { homedir } from "node:os"
import { join } from "node:path"

enableCompileCache(join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "headrace"))
const [{ runCommand }, { headrace }] = await Promise.all([
  import("./cli/Main.ts"),
  import("./cli/Headrace.ts")
])
await runCommand(headrace, process.argv.slice(2))
