/**
 * Keeps secrets out of what people and scripts read. What stands where passwords
 * do (the user info of anything that looks like a URI, `password=`) is hidden,
 * known or not; a known secret wherever it turns up: a message may quote a system
 * that quotes us. Pure.
 *
 * How far a known one is searched for depends on its length. A long one is hidden
 * anywhere, in the middle of a word too; one of a few letters as a word of its
 * own; a shorter one, or one of our own words, where it stands as a value: it is
 * in any text by chance, and hidden there it would be told by what is around it.
 */

/** The scheme may be missing or misspelled: the password behind it is one all the same. */
const userInfo = /(\/\/[^\s/:@]*):([^\s@]*)@/g

/** What messages propose: a placeholder, and the word that stands for a password. */
const isExample = (user: string, password: string): boolean =>
  /^\$\{(?:env|file):[^}]+\}$/.test(password) || (user === "//user" && password === "password")

/** A password among settings: of libpq, of a query, of the environment. */
const setting = /\b((?:pg)?(?:password|passwd|pwd)=)('[^']*'|"[^"]*"|\$\{[^}]*\}|[^\s&;,'"]+)/gi

const shortestWord = 4
const shortestAnywhere = 8

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
const asWord = (form: string): string => {
  const [before, after] = [/^[\p{L}\p{N}]/u, /[\p{L}\p{N}]$/u].map((edge) => edge.test(form))
  return `${before === true ? String.raw`(?<![\p{L}\p{N}])` : ""}${escaped(form)}${after === true ? String.raw`(?![\p{L}\p{N}])` : ""}`
}

/** The whole of what follows a name: `key=x`, `key:x`, `key: 'x'`, `"key": "x"`; behind a colon and a blank a sentence may begin. */
const asValue = (form: string): string =>
  String.raw`(?<=[\p{L}\p{N}_]["']?(?:[=:]["']?|: ["']))${escaped(form)}(?=["']?(?:[\s,;&)}\]]|$))`

const patternOf = (secret: string) => (form: string) => {
  if (secret.length < shortestWord || ownWords.includes(secret.toLowerCase())) return asValue(form)
  return secret.length < shortestAnywhere ? asWord(form) : escaped(form)
}

/** As it is, and percent-encoded; the longer first, since it may hold the other. */
const formsOf = (secrets: Iterable<string>): ReadonlyArray<{ form: string; pattern: string }> =>
  Array.from(new Set(secrets))
    .filter((secret) => secret !== "")
    .flatMap((secret) => {
      const forms = new Set([secret, encodeURIComponent(secret.toWellFormed())])
      return Array.from(forms, (form) => ({ form, pattern: patternOf(secret)(form) }))
    })
    .toSorted((a, b) => b.form.length - a.form.length)

/** What stands where passwords do, whatever it is. */
const withoutPasswords = (text: string, mask: string): string =>
  text
    .replace(userInfo, (found: string, user: string, password: string) =>
      isExample(user, password) ? found : `${user}:${mask}@`
    )
    .replace(setting, (found: string, name: string, value: string) =>
      value.startsWith("${") ? found : `${name}${mask}`
    )

/** The text with `mask` instead of what is, or stands where there would be, a secret. Known ones first: one may hold a user too. */
export const withoutSecrets = (text: string, secrets: Iterable<string>, mask: string): string =>
  withoutPasswords(
    formsOf(secrets).reduce(
      (clean, { pattern }) => clean.replace(new RegExp(pattern, "gu"), () => mask),
      text
    ),
    mask
  )
