/**
 * Who asks, and whose things they may see. Without sign-in everybody is the
 * same caller: admin of one tenant, in the project `global`.
 */
import type { Scope } from "@headrace/core/domain/Endpoint"
import { Context, Layer } from "effect"

export class Caller extends Context.Service<Caller, { readonly scope: Scope }>()(
  "@headrace/server/graphql/Caller"
) {
  static readonly layerDevelopment = (tenant: string): Layer.Layer<Caller> =>
    Layer.succeed(Caller, { scope: { tenant, project: "global" } })
}
