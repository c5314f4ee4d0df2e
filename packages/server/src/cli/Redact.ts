/**
 * Keeps secrets off the screen. What stands where passwords do (the user info
 * of anything that looks like a URI, `password=`) is hidden, and a known secret
 * wherever it turns up as a word: a message may quote a system that quotes us.
 */

export const hidden = "•••"

/** The scheme may be missing or misspelled: the password behind it is one all the same. */
const userInfo = /(\/\/[^\s/:@]*):([^\s@]*)@/g

/** What messages propose: a placeholder, and the word that stands for a password. */
const isExample = (user: string, password: string): boolean =>
  /^\$\{(?:env|file):[^}]+\}$/.test(password) || (user === "//user" && password === "password")

/** A password among settings: of libpq, of a query, of the environment. */
const setting = /\b((?:pg)?(?:password|passwd|pwd)=)('[^']*'|"[^"]*"|\$\{[^}]*\}|[^\s&;,'"]+)/gi

/** A shorter one stands in any text by chance: hidden there, it would be told by what is left around it. */
const shortestAnywhere = 4

/** What our own messages are full of; hiding one of these there would tell the password. */
const ownWords: ReadonlyArray<string> = [
  "check",
  "database",
  "discover",
  "doctor",
  "headrace",
  "password",
  "postgres",
  "postgresql",
  "sink",
  "source",
  "user",
  "username"
]

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)

/** The secret as a word of its own; a longer one that holds it is another word. */
const asWord = (secret: string): RegExp => {
  const [before, after] = [/^[\p{L}\p{N}]/u, /[\p{L}\p{N}]$/u].map((edge) => edge.test(secret))
  return new RegExp(
    `${before === true ? String.raw`(?<![\p{L}\p{N}])` : ""}${escaped(secret)}${after === true ? String.raw`(?![\p{L}\p{N}])` : ""}`,
    "gu"
  )
}

const isHiddenAnywhere = (secret: string): boolean =>
  secret.length >= shortestAnywhere && !ownWords.includes(secret.toLowerCase())

/**
 * The text without secrets: none where passwords stand, known or not, and none of `secrets` anywhere else,
 * plain or percent-encoded, unless it is too short, or too usual a word, to be one there.
 */
export const redact = (text: string, secrets: Iterable<string> = []): string => {
  const forms = new Set(
    Array.from(secrets)
      .filter(isHiddenAnywhere)
      .flatMap((secret) => [secret, encodeURIComponent(secret)])
  )
  const longestFirst = [...forms].toSorted((a, b) => b.length - a.length)
  return longestFirst.reduce(
    (clean, form) => clean.replace(asWord(form), hidden),
    text
      .replace(userInfo, (found: string, user: string, password: string) =>
        isExample(user, password) ? found : `${user}:${hidden}@`
      )
      .replace(setting, (found: string, name: string, value: string) =>
        value.startsWith("${") ? found : `${name}${hidden}`
      )
  )
}

/** The same for every text inside a line for machines, which stays what it is in all else. */
export const redactLine = <A>(value: A, secrets: ReadonlySet<string>): A =>
  JSON.parse(JSON.stringify(value), (_, each: unknown) =>
    typeof each === "string" ? redact(each, secrets) : each
  )
