/**
 * Secrets inside a text that is otherwise no secret: the user info of a url and
 * passwords in its query, passwords among settings (`host=db password=…`), what
 * follows the scheme of an authorization. Pure; each text is read once, however
 * it was made.
 *
 * A part that was replaced by a word without blanks and delimiters is found again
 * at the same place: so it can be shown masked, stored sealed and opened.
 */

/** What is shown instead of a secret; sent back, it keeps the stored one. */
export const masked = "****"

/** A secret part of a text, from `start` up to `end`. Never empty. */
export interface Part {
  readonly start: number
  readonly end: number
}

const contained = /password|passwd|pwd|passphrase|secret|token|api_?key|private_?key|authorization/
const word = /(?:^|_)pass(?:_|$)/

/** Does a key's name say that its value is a secret? */
export const isSecretName = (name: string): boolean => {
  const words = name.replaceAll(/([a-z])([A-Z])/g, "$1_$2").replaceAll(/[-. ]/g, "_")
  return contained.test(name.toLowerCase().replaceAll("-", "_")) || word.test(words.toLowerCase())
}

const scheme = /^[a-z][a-z0-9+.-]*:(?:[a-z0-9+.-]+:)*/i
const authority = /^[a-z][a-z0-9+.-]*:(?:[a-z0-9+.-]+:)*\/\//i
const userInfo = /^[^/?#\s]+(?=@)/
/** A password that holds a delimiter nobody encoded; a host would have a number behind its colon. */
const looseUserInfo = /^[^/?#\s@:[]*:(?!\d*(?:[/?#\s]|$))\S+(?=@)/
const queryPair = /[?&;]([^=&;#?]+)=([^&;#]+)/g

const spanOf = (from: number, text: string): Part => ({ start: from, end: from + text.length })

const urlParts = (text: string): ReadonlyArray<Part> => {
  if (!scheme.test(text)) return []
  const from = authority.exec(text)?.[0].length
  const rest = from === undefined ? "" : text.slice(from)
  const info = userInfo.exec(rest)?.[0] ?? looseUserInfo.exec(rest)?.[0]
  const first = from === undefined || info === undefined ? [] : [spanOf(from, info)]
  const query = Array.from(text.matchAll(queryPair)).flatMap(
    ({ 0: pair, 1: name = "", 2: value = "", index }) =>
      isSecretName(name) ? [spanOf(index + pair.length - value.length, value)] : []
  )
  return [...first, ...query.filter(({ start }) => start >= (first[0]?.end ?? 0))]
}

const setting =
  /\s*([A-Za-z][\w.-]*(?: [A-Za-z][\w.-]*)*)\s*=\s*('(?:[^'\\]|\\.)*'|"[^"]*"|\{[^{}]*\}|[^\s;]*)\s*;?/y

/** Of a text that is nothing but settings, as a driver takes them; none of any other text. */
const settingParts = (text: string): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  setting.lastIndex = 0
  for (let at = 0; at < text.trimEnd().length; at = setting.lastIndex) {
    const found = setting.exec(text)
    if (found === null) return []
    const [whole, name = "", value = ""] = found
    const start = at + whole.lastIndexOf(value)
    if (value !== "" && isSecretName(name)) parts.push(spanOf(start, value))
  }
  return parts
}

/** The secret parts of a text, from left to right. */
export const secretParts = (text: string): ReadonlyArray<Part> => {
  const url = urlParts(text)
  return url.length > 0 || scheme.test(text) ? url : settingParts(text)
}

/** Of an `authPolicy`: a single word names a policy; of more, only the first says which. */
export const authorizationParts = (text: string): ReadonlyArray<Part> => {
  if (/^\s*[\w.-]*\s*$/.test(text)) return []
  const [, head = "", credentials = text] = /^(\s*[\w.-]+\s+)(\S[^]*)$/.exec(text) ?? []
  return [spanOf(head.length, credentials)]
}

/** The text with each of its parts said otherwise. */
export const withParts = (
  text: string,
  parts: ReadonlyArray<Part>,
  say: (part: string, index: number) => string
): string => {
  const starts = [0, ...parts.map(({ end }) => end)]
  const pieces = parts.map(({ start, end }, index) => [
    text.slice(starts[index], start),
    say(text.slice(start, end), index)
  ])
  return [...pieces.flat(), text.slice(starts.at(-1))].join("")
}

/** The text without its secrets. Anything that holds none comes back as it is. */
export const maskText = (text: string): string => withParts(text, secretParts(text), () => masked)

export const maskAuthorization = (text: string): string =>
  withParts(text, authorizationParts(text), () => masked)
