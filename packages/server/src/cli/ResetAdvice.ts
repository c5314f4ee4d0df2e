/** The command behind the word "reset", for whoever reads that a unit should be. */
import { hint } from "./Hint.ts"
import { messageOf, refuse, type Refused } from "./Message.ts"
import type { Reference } from "./Reference.ts"

interface Carried {
  readonly source: Pick<Reference, "again">
  readonly sink: Pick<Reference, "again">
  readonly unitId: string
}

/** The refusal, with the reset that it speaks of, if it speaks of one. A reset signs in nowhere, so it needs no password. */
export const withReset = (refused: Refused, { source, sink, unitId }: Carried): Refused =>
  refused.why.some((line) => /\breset\b/i.test(line))
    ? refuse({
        ...messageOf(refused),
        advice: [
          ...refused.advice,
          `Reset:  ${hint("reset", "--source", source.again, "-u", unitId, "--sink", sink.again)}`
        ]
      })
    : refused
