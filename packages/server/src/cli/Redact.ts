/**
 * Keeps secrets off the screen. What is known to be secret is replaced
 * wherever it turns up, and so is the user info of anything that looks like a
 * URI: a message may quote a system that quotes us.
 */

export const hidden = "•••"

/** The scheme may be missing or misspelled: the password behind it is one all the same. */
const userInfo = /(\/\/[^\s/:@]*):([^\s@]*)@/g

/** What messages propose: a placeholder, and the word that stands for a password. */
const isExample = (user: string, password: string): boolean =>
  /^\$\{(?:env|file):[^}]+\}$/.test(password) || (user === "//user" && password === "password")

/** The text with every secret of `secrets` hidden, plain or percent-encoded. An empty secret hides nothing. */
export const redact = (text: string, secrets: Iterable<string> = []): string => {
  const forms = new Set(Array.from(secrets).flatMap((secret) => [secret, encodeURIComponent(secret)]))
  const longestFirst = [...forms].filter((form) => form !== "").toSorted((a, b) => b.length - a.length)
  return longestFirst.reduce(
    (clean, form) => clean.replaceAll(form, hidden),
    text.replace(userInfo, (found: string, user: string, password: string) =>
      isExample(user, password) ? found : `${user}:${hidden}@`
    )
  )
}

/** The same for every text inside a line for machines, which stays what it is in all else. */
export const redactLine = <A>(value: A, secrets: ReadonlySet<string>): A =>
  JSON.parse(JSON.stringify(value), (_, each: unknown) =>
    typeof each === "string" ? redact(each, secrets) : each
  )
