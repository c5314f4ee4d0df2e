/**
 * Which of the two media types an answer has, and with it which status: old
 * clients take any status but 200 for a broken connection, so under
 * `application/json` a request that is GraphQL at all is always answered by 200.
 */
export const graphqlJson = "application/graphql-response+json"
export const plainJson = "application/json"

/** How much a client wants a media type, 0 to 1; -1 when it does not mention it. An exact name beats a wildcard. */
const weight = (accept: string, type: string): number => {
  let byWildcard = -1
  for (const part of accept.toLowerCase().split(",")) {
    const [media, ...parameters] = part.split(";").map((text) => text.trim())
    const q = Number(parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? 1)
    if (media === type) return q
    if (media === "*/*" || media === "application/*") byWildcard = Math.max(byWildcard, q - 0.0001)
  }
  return byWildcard
}

/** The newer type only for clients that name it and like it at least as much; `application/json` otherwise. */
export const negotiate = (accept: string | undefined): string =>
  accept !== undefined &&
  accept.toLowerCase().includes(graphqlJson) &&
  weight(accept, graphqlJson) >= weight(accept, plainJson)
    ? graphqlJson
    : plainJson

/** `refused` is the status of a document that was not executed, if there is one; `hasData` says that execution began. */
export const statusOf = (type: string, refused: number | undefined, hasData: boolean): number => {
  if (refused === 405) return 405
  if (refused !== undefined && refused >= 500) return refused
  return type === graphqlJson && (refused !== undefined || !hasData) ? 400 : 200
}

/** Does a browser ask for a page? Only then is the console shown. */
export const wantsPage = (accept: string | undefined): boolean =>
  accept !== undefined && weight(accept, "text/html") > 0 && accept.toLowerCase().includes("text/html")
