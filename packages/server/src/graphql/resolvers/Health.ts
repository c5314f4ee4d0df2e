/** `health` of the schema. */
import { Effect, Schema } from "effect"
import { readFileSync } from "node:fs"

const manifest = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))(
  readFileSync(new URL("../../../package.json", import.meta.url), "utf8")
)

export const health = () => Effect.succeed({ status: "ok", version: manifest.version })
