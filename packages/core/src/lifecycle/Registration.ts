/** What somebody says of an endpoint to make it known. */
import type { JsonObject } from "../domain/Endpoint.ts"

export interface Registration {
  /** The name by which clients find it again; null: one is made up. */
  readonly sourceId: string | null
  readonly name: string
  readonly description: string | null
  readonly verb: string
  readonly url: string | null
  readonly authPolicy: string | null
  readonly domain: string | null
  readonly labels: ReadonlyArray<string>
  readonly config: JsonObject | null
  readonly capabilities: ReadonlyArray<string>
}

/** An endpoint made from a template; everything that is not said here, the template's connection says. */
export const fromTemplate = <const SourceId extends string>(
  sourceId: SourceId,
  templateId: string,
  parameters: Readonly<Record<string, string>>,
  more: JsonObject = {}
): Registration & { readonly sourceId: SourceId } => ({
  sourceId,
  name: sourceId,
  description: null,
  verb: "POST",
  url: null,
  authPolicy: null,
  domain: null,
  labels: [],
  config: { ...more, templateId, parameters },
  capabilities: []
})
