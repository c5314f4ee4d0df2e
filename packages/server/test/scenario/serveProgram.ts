/** What a child process runs that is going to be killed: the server, configured by its environment. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import { load } from "../../src/Config.ts"
import * as Serve from "../../src/Serve.ts"

NodeRuntime.runMain(Effect.flatMap(load, (config) => Layer.launch(Serve.layer(config))))
