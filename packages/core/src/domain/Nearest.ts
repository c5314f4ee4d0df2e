/**
 * The known words a person most likely meant. Every "Did you mean" of the
 * control plane comes from here: policy keys, units, flags, schemes.
 */

/** Nobody mistypes a longer word, and comparing long ones takes long. */
const longest = 256

/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`. */
const distance = (a: string, b: string): number => {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [
    i,
    ...Array.from({ length: b.length }, () => 0)
  ])
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0
  rows[0]?.forEach((_, j, first) => (first[j] = j))
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same)
      rows[i]?.splice(j, 1, swapped ? Math.min(best, at(i - 2, j - 2) + 1) : best)
    }
  }
  return at(a.length, b.length)
}

/** The edits between two words, or infinitely many when their lengths alone say that there are too many. */
const editsWithin = (tolerated: number, a: string, b: string): number =>
  Math.abs(a.length - b.length) > tolerated ? Infinity : distance(a, b)

/** How far apart, from 0 (the same); a word that contains the other, or differs in case alone, is close. */
const strangeness = (typed: string, known: string, tolerated: number): number => {
  const [a, b] = [typed.toLowerCase(), known.toLowerCase()]
  if (a === b) return 0
  const last = b.slice(b.lastIndexOf(".") + 1)
  if (last === a) return 0.1
  const edits = Math.min(editsWithin(tolerated, a, b), editsWithin(tolerated, a, last))
  const contained = a.length > 2 && (b.includes(a) || (last.length > 2 && a.includes(last)))
  return contained ? Math.min(edits, 1) : edits
}

/** Without the schema that both have: it makes no two tables alike. */
const withoutCommon = (typed: string, known: string): readonly [string, string] => {
  const schema = typed.slice(0, typed.lastIndexOf(".") + 1)
  return known.startsWith(schema) ? [typed.slice(schema.length), known.slice(schema.length)] : [typed, known]
}

/** At most `limit` of `known`, nearest first; empty when nothing is near. */
export const nearest = <Word extends string>(
  typed: string,
  known: Iterable<Word>,
  limit = 3
): ReadonlyArray<Word> => {
  if (typed.length > longest) return []
  return Array.from(known, (word) => {
    const [own, other] = withoutCommon(typed, word)
    const tolerated = Math.max(2, Math.floor(own.length / 3))
    const far = strangeness(own, other, tolerated)
    return { word, far, isNear: far <= tolerated }
  })
    .filter(({ isNear }) => isNear)
    .toSorted((a, b) => a.far - b.far || a.word.length - b.word.length || a.word.localeCompare(b.word))
    .slice(0, limit)
    .map(({ word }) => word)
}
