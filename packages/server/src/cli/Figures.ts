/** Numbers as people read them. An estimate carries `≈`; nothing else is rounded without saying so in its unit. */

/** `3120400` → `3,120,400`. */
export const count = (number: number): string => Math.round(number).toLocaleString("en-US")

/** `1 row`, `3,120,400 rows`. */
export const rows = (number: number): string => `${count(number)} ${number === 1 ? "row" : "rows"}`

const scaled = (value: number, steps: ReadonlyArray<string>): readonly [string, string] => {
  const power = Math.min(steps.length - 1, value < 1000 ? 0 : Math.floor(Math.log10(value) / 3))
  const small = value / 1000 ** power
  return [power === 0 || small >= 100 ? small.toFixed(0) : small.toFixed(1), steps[power] ?? ""]
}

/** `8123456` → `8.1M`. */
export const about = (value: number): string => scaled(value, ["", "k", "M", "G", "T"]).join("")

/** Bytes in powers of ten: `61234567` → `61.2 MB`. */
export const size = (bytes: number): string => scaled(bytes, ["B", "kB", "MB", "GB", "TB"]).join(" ")

/** Seconds: `0.84` → `0.8s`, `70` → `1m10s`. */
export const span = (seconds: number): string => {
  if (seconds < 10) return `${seconds.toFixed(1)}s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole}s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes}m${String(whole % 60).padStart(2, "0")}s`
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, "0")}m`
}
