/** The command behind the word "reset", for whoever reads that a unit should be. */
import { hintOf, type Pair } from "./Hint.ts"
import { messageOf, refuse, type Refused } from "./Message.ts"

/** The refusal, with the reset that it speaks of, if it speaks of one. A reset signs in nowhere, so it needs no password. */
export const withReset = (refused: Refused, pair: Pair): Refused =>
  refused.why.some((line) => /\breset\b/i.test(line))
    ? refuse({
        ...messageOf(refused),
        advice: [...refused.advice, `Reset:  ${hintOf(["reset"], pair)}`]
      })
    : refused
