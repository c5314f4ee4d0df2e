/**
 * What templates and policies call things, in the words of the command: who
 * wrote `sslmode` and a path is not to look for `ssl_mode` and `base_path`.
 */
const words: Readonly<Record<string, string>> = {
  base_path: "the path",
  ssl_mode: "sslmode",
  ssl_root_cert: "sslrootcert",
  ssl_client_cert: "sslcert",
  ssl_client_key: "sslkey",
  cursorField: "--cursor",
  primaryKeys: "--key",
  writeDisposition: "--write",
  "the sink's schemas": "--sink '…?schemas=NAME'"
}

/** Not a column or table of that name: those stand in quotes, or behind a dot. */
const named = new RegExp(
  String.raw`(\b(?:an?|another|this) )?(?:the policy's )?(?<![\p{L}\p{N}_.'"\x60])(${Object.keys(words).join("|")})(?![\p{L}\p{N}_'"\x60])`,
  "gu"
)

/** A key of the policy with its value in JSON, at the end of an advice. */
const valued = /\b(quarantine) (\{[^{}]*\})/gu

/** A setting of files, with a value that it might have: in the command it ends the reference. */
const exampled = /\bthe parameter \w+, such as (\w+=[^\s.]+)/gu
const bare = /\bthe parameter (delimiter|format|compression|column_types)\b/gu
const typed = /\bsay in column_types that '([^']+)' is (\w+)/gu

/** A sentence of the data plane, for whoever typed the command. */
export const inCommandWords = (sentence: string): string =>
  sentence
    .replace(exampled, "'?$1' at the end of the reference")
    .replace(bare, "?$1=… at the end of the reference")
    .replace(typed, `end the reference with '?column_types={"$1":"$2"}'`)
    .replace(valued, "--policy $1='$2'")
    .replace(named, (_, article: string | undefined, word: string) => {
      const said = words[word] ?? word
      return article === undefined ? said : `${article}${said.replace(/^the /, "")}`
    })
