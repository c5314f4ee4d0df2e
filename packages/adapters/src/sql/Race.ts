/** Processes that make or take away the same thing at once: who comes second finds it done. */

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

/** False when somebody else who did the same at the same time took it away first. */
export const unlessGone = (takeAway: () => void): boolean => {
  try {
    takeAway()
    return true
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return false
    throw cause
  }
}
