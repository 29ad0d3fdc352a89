/**
 * The nearest known name to a misspelt one, by optimal string alignment distance (Damerau 1964): insertions,
 * deletions, substitutions and swaps of neighbours each cost 1.
 */

/** Number of single-character edits between `a` and `b`. */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let best = Math.min(substitute, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforePrevious[j - 2] ?? 0) + 1)
      }
      row.push(best)
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.length] ?? 0
}

/** The candidate with the fewest edits, first one on a tie; `distance` tells how far it is. */
export function nearest(
  name: string,
  candidates: Iterable<string>,
): { readonly name: string; readonly distance: number } | undefined {
  let found: { name: string; distance: number } | undefined
  for (const candidate of candidates) {
    const distance = editDistance(name, candidate)
    if (found === undefined || distance < found.distance) found = { name: candidate, distance }
  }
  return found
}
