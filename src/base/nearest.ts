/** What was probably meant by a misspelt name, for errors. */

/** Further away a suggestion would be a guess. */
const DISTANCE_MAX = 3;

/** The known name with the fewest changed, added, dropped or swapped letters; undefined when none is near. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  // Of a short name a third may be wrong, of a longer one DISTANCE_MAX letters.
  let best = Math.min(DISTANCE_MAX, Math.ceil(name.length / 3)) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= best) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance >= best) continue;
    nearest = candidate;
    best = distance;
  }
  return nearest;
}

/** Optimal string alignment distance: Levenshtein's, with a swap of two neighbours as one change. */
function editDistance(source: string, target: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: target.length + 1 }, (_, index) => index);
  for (let i = 1; i <= source.length; i++) {
    const row = [i];
    for (let j = 1; j <= target.length; j++) {
      const isSame = source[i - 1] === target[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (isSame ? 0 : 1));
      const isSwap = i > 1 && j > 1 && source[i - 1] === target[j - 2] && source[i - 2] === target[j - 1];
      if (isSwap) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[target.length] ?? 0;
}
