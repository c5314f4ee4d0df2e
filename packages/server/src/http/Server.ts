/**
 * The HTTP server: the GraphQL path, and `/` which leads there. The port opens
 * when everything below it is up, so nobody meets a server that cannot answer.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer, Schema } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import type { GraphQLSchema } from "graphql"
import { createServer } from "node:http"
import type { ServerConfig } from "../Config.ts"
import { Caller } from "../graphql/Caller.ts"
import * as Helix from "../graphql/Helix.ts"
import { type ApiServices, resolvers } from "../graphql/resolvers/Resolvers.ts"
import { make as makeSchema } from "../graphql/Schema.ts"
import { whyRefused } from "./LoopbackGuard.ts"

export interface Listen {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
}

/** The port is taken, or the address is not one of this machine. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", {
  host: Schema.String,
  port: Schema.Int,
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail.includes("EADDRINUSE")
      ? `Port ${this.port} on ${this.host} is taken. Perhaps another Headrace runs there: stop it, or choose another port with HEADRACE_PORT.`
      : `Cannot listen on ${this.host}:${this.port}: ${this.detail}. Set HEADRACE_HOST and HEADRACE_PORT.`
  }
}

/** Slow or oversized headers and bodies end before they hold anything. */
const nodeServer = () =>
  createServer({
    maxHeaderSize: 16 * 1024,
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    connectionsCheckingInterval: 5_000
  })

const guarded = HttpRouter.middleware(
  (handle) =>
    Effect.gen(function* () {
      const { headers } = yield* HttpServerRequest.HttpServerRequest
      const why = whyRefused(headers)
      return why === undefined
        ? yield* handle
        : HttpServerResponse.jsonUnsafe({ errors: [{ message: why }] }, { status: 403 })
    }),
  { global: true }
)

/** Listens as soon as the layer is built; what the resolvers need is asked of the layer's context. */
export const layer = <R>(schema: GraphQLSchema, listen: Listen) => {
  const routes = Layer.mergeAll(
    HttpRouter.use((router) =>
      Effect.flatMap(Helix.make<R>(schema), (handler) => router.add("*", "/graphql", handler))
    ),
    HttpRouter.add("GET", "/", HttpServerResponse.redirect("/graphql")),
    guarded
  )
  const http = NodeHttpServer.layerServer(nodeServer, { host: listen.host, port: listen.port }).pipe(
    Layer.catch(({ cause }) =>
      Layer.effect(HttpServer.HttpServer, new CannotListen({ ...listen, detail: String(cause) }))
    )
  )
  return HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(http)
  )
}

/** The API in development mode, over the services of the context. */
export const httpLayer = ({ host, port, defaultTenant }: ServerConfig) =>
  layer<ApiServices>(makeSchema(resolvers), { host, port }).pipe(
    Layer.provide(Caller.layerDevelopment(defaultTenant))
  )
