import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { request as httpRequest } from "node:http"
import * as Server from "../../src/http/Server.ts"
import { origin } from "../GraphqlClient.ts"
import { silentSchema } from "../SilentSchema.ts"

const Live = Server.layer<never>(silentSchema({}), { host: "127.0.0.1", port: 0 })

/** `fetch` does not let one choose `Host`; a rebinding attack does. */
const statusFor = (url: string, headers: Record<string, string>) =>
  Effect.callback<number>((resume) => {
    const sent = httpRequest(`${url}/graphql?query=%7B__typename%7D`, { headers }, (response) => {
      response.resume()
      resume(Effect.succeed(response.statusCode ?? 0))
    })
    sent.end()
  })

layer(Live, { excludeTestServices: true })("the server in development mode", (it) => {
  it.effect("answers under its own names and origin only (S3)", () =>
    Effect.gen(function* () {
      const url = yield* origin
      const own = new URL(url).host

      const statuses = yield* Effect.forEach(
        [
          { host: own },
          { host: own, origin: url },
          { host: "evil.example" },
          { host: own, origin: "https://evil.example" }
        ],
        (headers) => statusFor(url, headers)
      )

      assert.deepStrictEqual(statuses, [200, 200, 403, 403])
    })
  )

  it.effect("says which setting helps when its port is taken", () =>
    Effect.gen(function* () {
      const port = Number(new URL(yield* origin).port)

      const error = yield* Effect.flip(
        Layer.build(Server.layer<never>(silentSchema({}), { host: "127.0.0.1", port }))
      )

      assert.include(error.message, `Port ${port} on 127.0.0.1 is taken`)
      assert.include(error.message, "HEADRACE_PORT")
    })
  )
})
