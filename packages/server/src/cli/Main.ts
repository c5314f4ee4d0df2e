/** Runs a command line and ends the process with its exit code. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CliConfig from "effect/cli/CliConfig"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { Exit } from "./Exit.ts"
import { presenter } from "./Usage.ts"

export const version = "0.1.0"

/** Without the wizard and the log level, which are spelled otherwise here. */
const builtIns = [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]

const services = Layer.mergeAll(NodeServices.layer, presenter, CliConfig.layer({ builtIns }))

/** A reader that has had enough (`| head`) is no failure of ours, and no reason to leave a run half done. */
const unheard = (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") return
  process.stderr.write(`✗ The output cannot be written: ${error.message}   HR1701\n`)
  process.exit(Exit.failed)
}

/** A pipe whose reader is slower than we are has not all of it yet, and what waits would end with the process. */
const written = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.writableLength === 0) resolve()
    else stream.write("", () => resolve())
  })

/** `words` is the command line without the program. Never returns before the command ended. */
export const runCommand = async <Name extends string, Input, Context>(
  command: Command.Command<Name, Input, Context, never, Command.Environment>,
  words: ReadonlyArray<string>
): Promise<never> => {
  process.stdout.on("error", unheard)
  await Command.runWith(command, { version })(words).pipe(
    // The presenter has told what was wrong.
    Effect.catch(() => Effect.sync(() => (process.exitCode = Exit.usage))),
    Effect.provide(services),
    Effect.runPromise
  )
  await Promise.all([process.stdout, process.stderr].map(written))
  process.exit()
}
