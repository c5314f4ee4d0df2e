/** A screen that remembers what it was told, as a terminal of the given width or as a pipe. */
import * as Screen from "../../src/cli/Screen.ts"

export const fakeScreen = (options: Partial<Screen.ScreenOptions> = {}) => {
  const written = { stdout: "", stderr: "" }
  const sink = (name: "stdout" | "stderr"): Screen.Sink => ({
    write: (text) => (written[name] += text),
    columns: 200
  })
  const screen = Screen.make({
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    format: "text",
    progress: "none",
    isQuiet: false,
    ...options
  })
  const jsonLines = (): ReadonlyArray<unknown> =>
    written.stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line): unknown => JSON.parse(line))
  return { screen, written, jsonLines }
}
