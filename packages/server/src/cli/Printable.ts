/**
 * What others wrote, on one line of a terminal: characters that would move its
 * cursor, change its colours, type for its user or turn the order of letters
 * around are shown as their escapes. Machine-readable output has its own.
 */

/** C0, DEL and C1; and what turns the direction of writing. */
const commands = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g // oxlint-disable-line no-control-regex -- they are what is looked for

const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

export const printable = (text: string): string =>
  text.replaceAll(
    commands,
    (found) => short[found] ?? `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
