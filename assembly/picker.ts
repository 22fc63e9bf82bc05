/** Pickers as kernels: choose a position in the candidate list from the column of totals. */

/**
 * Position of the largest total; among equal ones each is as likely, decided by the seed alone. The number of equal
 * ones goes to the u32 at `tieCount`.
 */
export function pickMaxScore(totals: usize, candidateCount: u32, seed: u64, tieCount: usize): u32 {
  let best: f64 = -Infinity;
  let ties: u32 = 0;
  for (let position: u32 = 0; position < candidateCount; position++) {
    const total = load<f64>(totals + ((<usize>position) << 3));
    if (total > best) {
      best = total;
      ties = 1;
    } else if (total == best) {
      ties++;
    }
  }
  store<u32>(tieCount, ties);
  let skip = ties > 1 ? below(seed, ties) : 0;
  for (let position: u32 = 0; position < candidateCount; position++) {
    if (load<f64>(totals + ((<usize>position) << 3)) != best) continue;
    if (skip == 0) return position;
    skip--;
  }
  return 0;
}

/**
 * A number in 0 … bound − 1 from a seed. Mixer: SplitMix64's finaliser; reduction: multiply-shift on 32 bits (Lemire).
 */
function below(seed: u64, bound: u32): u32 {
  let mixed = seed + 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  mixed ^= mixed >> 31;
  return <u32>(((mixed >> 32) * <u64>bound) >> 32);
}
