/**
 * Whole columns of f64, one entry per candidate: what scorers have in common. Two entries at a time; entries behind the
 * last one may be overwritten, since columns have room for all slots and slots are even in number.
 */

/** Largest entry of those that are numbers; -Infinity when none is. */
export function columnMax(column: usize, count: u32): f64 {
  const even: usize = (<usize>(count & ~1)) << 3;
  let pair = f64x2.splat(-Infinity);
  // NaN is never larger, so it is passed over.
  for (let at: usize = 0; at < even; at += 16) pair = f64x2.pmax(pair, v128.load(column + at));
  let result = max<f64>(f64x2.extract_lane(pair, 0), f64x2.extract_lane(pair, 1));
  if ((count & 1) != 0) {
    const last = load<f64>(column + even);
    if (last > result) result = last;
  }
  return result;
}

/** Smallest entry of those that are numbers; Infinity when none is. */
export function columnMin(column: usize, count: u32): f64 {
  const even: usize = (<usize>(count & ~1)) << 3;
  let pair = f64x2.splat(Infinity);
  for (let at: usize = 0; at < even; at += 16) pair = f64x2.pmin(pair, v128.load(column + at));
  let result = min<f64>(f64x2.extract_lane(pair, 0), f64x2.extract_lane(pair, 1));
  if ((count & 1) != 0) {
    const last = load<f64>(column + even);
    if (last < result) result = last;
  }
  return result;
}

export function fillColumn(column: usize, count: u32, value: f64): void {
  const pair = f64x2.splat(value);
  for (let at: usize = 0; at < (<usize>count) << 3; at += 16) v128.store(column + at, pair);
}

/** entry ← from − entry; what is NaN stays so. */
export function subtractFrom(column: usize, count: u32, from: f64): void {
  const fromPair = f64x2.splat(from);
  for (let at: usize = 0; at < (<usize>count) << 3; at += 16) {
    v128.store(column + at, f64x2.sub(fromPair, v128.load(column + at)));
  }
}

/** entry ← (from − entry) / divisor; what is NaN stays so. */
export function subtractFromAndDivide(column: usize, count: u32, from: f64, divisor: f64): void {
  const fromPair = f64x2.splat(from);
  const divisorPair = f64x2.splat(divisor);
  for (let at: usize = 0; at < (<usize>count) << 3; at += 16) {
    v128.store(column + at, f64x2.div(f64x2.sub(fromPair, v128.load(column + at)), divisorPair));
  }
}

/** totals += weight × clamp(score, 0, 1). */
export function addWeighted(totals: usize, column: usize, count: u32, weight: f64): void {
  const zero = f64x2.splat(0);
  const one = f64x2.splat(1);
  const weights = f64x2.splat(weight);
  for (let at: usize = 0; at < (<usize>count) << 3; at += 16) {
    const clamped = f64x2.min(one, f64x2.max(zero, v128.load(column + at)));
    v128.store(totals + at, f64x2.add(v128.load(totals + at), f64x2.mul(weights, clamped)));
  }
}

/** Replaces NaN by the mean of the other entries, or by 1 when all are NaN. */
export function fillUnknown(column: usize, count: u32): void {
  if (!hasUnknown(column, count)) return;
  let sum: f64 = 0;
  let known: u32 = 0;
  const end = column + ((<usize>count) << 3);
  for (let at = column; at < end; at += 8) {
    const value = load<f64>(at);
    if (value != value) continue;
    sum += value;
    known++;
  }
  const mean: f64 = known > 0 ? sum / <f64>known : 1;
  for (let at = column; at < end; at += 8) {
    const value = load<f64>(at);
    if (value != value) store<f64>(at, mean);
  }
}

function hasUnknown(column: usize, count: u32): bool {
  const even: usize = (<usize>(count & ~1)) << 3;
  let unknown = i64x2.splat(0);
  for (let at: usize = 0; at < even; at += 16) {
    const pair = v128.load(column + at);
    unknown = v128.or(unknown, f64x2.ne(pair, pair));
  }
  if (v128.any_true(unknown)) return true;
  const last = load<f64>(column + even);
  return (count & 1) != 0 && last != last;
}
