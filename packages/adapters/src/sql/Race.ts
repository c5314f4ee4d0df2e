/** Processes that make the same thing at once: who comes second finds it made. */

/** False when somebody else who did the same at the same time was first. */
export const unlessThere = (make: () => void): boolean => {
  try {
    make()
    return true
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined
    if (code === "EEXIST" || code === "ENOTEMPTY") return false
    throw cause
  }
}
