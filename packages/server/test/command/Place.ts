/** A data directory with a PostgreSQL that runs on it, a database to read from, and an empty folder to work in. */
import { Context, Effect, Layer } from "effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Shop from "../scenario/Shop.ts"
import * as HeadraceCommand from "./HeadraceCommand.ts"

export class Place extends Context.Service<
  Place,
  {
    readonly folder: string
    readonly shop: Shop.Shop
    /** The database, as a reference for the command. */
    readonly uri: string
    /** The folder of its socket, as a part of a URI. */
    readonly host: string
    readonly headrace: (...words: ReadonlyArray<string>) => Effect.Effect<HeadraceCommand.Ended>
    readonly surroundings: HeadraceCommand.Surroundings
  }
>()("test/command/Place") {}

export const layer = Layer.effect(
  Place,
  Effect.gen(function* () {
    const folder = yield* Shop.temporaryFolder
    const data = join(folder, "data")
    mkdirSync(data, { mode: 0o700 })
    const shop = yield* Shop.open(data)
    const surroundings = { folder, data, environment: { SHOP_PASSWORD: "hunter2" } }
    const host = encodeURIComponent(shop.parameters.host)
    return {
      folder,
      shop,
      surroundings,
      host,
      uri: `postgres://postgres:\${env:SHOP_PASSWORD}@${host}/shop`,
      headrace: (...words) => HeadraceCommand.run("headrace", words, surroundings)
    }
  })
)
