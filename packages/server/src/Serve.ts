/**
 * The whole server as one layer: it says in which mode it runs, brings up
 * stores, workers and what runs left behind, and opens its port last.
 */
import { Effect, Layer, References } from "effect"
import { HttpServer } from "effect/http"
import type { ServerConfig } from "./Config.ts"
import { httpLayer } from "./http/Server.ts"
import * as Wiring from "./Wiring.ts"

const sayMode = ({ host, defaultTenant }: ServerConfig) =>
  Effect.logInfo(
    `Development mode: no sign-in. Everybody on this machine is admin of tenant ${defaultTenant}; only ${host} is served.`
  )

/** Where a browser finds the API. */
export const urlOf = ({ address }: HttpServer.HttpServer["Service"]): string => {
  if (address._tag === "UnixPathAddress") return address.path
  const host = address._tag === "InetAddressV6" ? "[::1]" : "127.0.0.1"
  return `http://${host}:${address.port}/graphql`
}

const sayWhere = Layer.effectDiscard(
  Effect.flatMap(HttpServer.HttpServer, (server) => Effect.logInfo(`Headrace answers at ${urlOf(server)}`))
)

/** Lives as long as its scope. Fails with a message for people when it cannot start. */
export const layer = (config: ServerConfig) =>
  Layer.unwrap(
    Effect.as(
      sayMode(config),
      sayWhere.pipe(Layer.provideMerge(httpLayer(config)), Layer.provideMerge(Wiring.layer(config)))
    )
  ).pipe(Layer.provide(Layer.succeed(References.MinimumLogLevel, config.logLevel)))
