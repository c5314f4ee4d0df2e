/**
 * Development mode has no sign-in, so the address is the only fence: the server
 * listens on loopback alone, and a page in the developer's browser must not
 * reach it, neither under a name that points here (DNS rebinding: `Host`) nor
 * across sites (`Origin`).
 */

const loopbackNames = new Set(["localhost", "127.0.0.1", "[::1]"])

/** The addresses the server may listen on without sign-in. */
export const isLoopback = (host: string): boolean => loopbackNames.has(host) || host === "::1"

const hostName = (authority: string): string => authority.toLowerCase().replace(/:\d*$/, "")

/** Why the request is refused, as a sentence; undefined when it may pass. */
export const whyRefused = (headers: Readonly<Record<string, string | undefined>>): string | undefined => {
  const host = headers["host"]
  if (host === undefined || !loopbackNames.has(hostName(host)))
    return "This server answers only under localhost, 127.0.0.1 or [::1]."
  const origin = headers["origin"]
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`)
    return "This server takes no requests from pages of other origins."
  return undefined
}
