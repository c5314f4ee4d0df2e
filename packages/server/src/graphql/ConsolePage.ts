/**
 * The page that a browser gets on the GraphQL path: `console.html` with a
 * policy under which it can talk to this server and to nothing else. Its one
 * script and one style are allowed by their hashes.
 */
import { HttpServerResponse } from "effect/http"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"

const html = readFileSync(new URL("../../src/graphql/console.html", import.meta.url), "utf8")

const hashOf = (element: string): string => {
  const inner = new RegExp(`<${element}[^>]*>([^]*?)</${element}>`).exec(html)?.[1] ?? ""
  return `'sha256-${createHash("sha256").update(inner).digest("base64")}'`
}

const policy = [
  "default-src 'none'",
  `script-src ${hashOf("script")}`,
  `style-src ${hashOf("style")}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

export const response = HttpServerResponse.text(html, {
  contentType: "text/html; charset=utf-8",
  headers: {
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
    "cache-control": "no-store"
  }
})
