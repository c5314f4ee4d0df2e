/** Which of a project's endpoints a client sees: filters first, then its page. Pure. */
import type { Endpoint } from "../domain/Endpoint.ts"
import { maskText } from "../domain/SecretText.ts"

export interface EndpointQuery {
  readonly capability: string | null
  readonly search: string | null
  /** 1 to 100; what is outside counts as the nearest. */
  readonly first: number
  /** The last id of the page before; an unknown one is ignored. */
  readonly after: string | null
}

/** Two names of one capability: clients use the short one, templates list both. */
const aliases: Readonly<Record<string, string>> = {
  metadata: "metadata.collect",
  "metadata.collect": "metadata",
  preview: "metadata.preview",
  "metadata.preview": "preview"
}

const can = (endpoint: Endpoint, capability: string) => {
  const alias = aliases[capability]
  return (
    endpoint.capabilities.includes(capability) ||
    (alias !== undefined && endpoint.capabilities.includes(alias))
  )
}

const matches = (endpoint: Endpoint, word: string) =>
  [endpoint.name, endpoint.description, endpoint.domain, maskText(endpoint.url)].some((text) =>
    text?.toLowerCase().includes(word)
  )

/** The page of `endpoints` that the query asks for, in the order they come. */
export const pageOf = (endpoints: ReadonlyArray<Endpoint>, query: EndpointQuery): ReadonlyArray<Endpoint> => {
  const word = query.search?.trim().toLowerCase() ?? ""
  const found = endpoints
    .filter((endpoint) => query.capability === null || can(endpoint, query.capability))
    .filter((endpoint) => word === "" || matches(endpoint, word))
  const start = query.after === null ? 0 : found.findIndex(({ id }) => id === query.after) + 1
  return found.slice(start, start + Math.min(100, Math.max(1, query.first)))
}
