/**
 * Decisions by slow and obvious means, from the definitions in the plugins' docstrings: the reference that the kernel's
 * scorers and picker are held against. Nothing here is shared with the kernel but the numbers that go in.
 */

/** What a decision knows of one candidate. Undefined: never reported, or stale. */
export interface ModelCandidate {
  readonly slot: number;
  readonly queueDepthRequests: number | undefined;
  readonly kvCacheUsageFraction: number | undefined;
  /** Requests in flight now, less those in flight at the scrape. */
  readonly surplus: number;
  readonly matchedBlocks: number;
}

export interface ModelScorer {
  readonly kind: "queueDepth" | "kvCacheUtilization" | "prefixCache";
  readonly weight: number;
  readonly lengthWeight?: number;
  readonly scaleTokens?: number;
}

export interface ModelDecision {
  /** By scorer, then by candidate. */
  readonly scores: readonly (readonly number[])[];
  readonly totals: readonly number[];
  readonly pickedSlot: number;
  readonly tieCount: number;
}

/**
 * The decision for a prompt of `blockCount` blocks of `blockTokens` tokens each. Candidates in the order of their
 * slots.
 */
export function modelDecision(
  candidates: readonly ModelCandidate[],
  scorers: readonly ModelScorer[],
  { blockCount, blockTokens, seed }: { blockCount: number; blockTokens: number; seed: bigint },
): ModelDecision {
  const scores = scorers.map((scorer) => fillUnknown(scoreAll(candidates, scorer, blockCount, blockTokens)));
  const totals = candidates.map((_, position) =>
    scorers.reduce((sum, { weight }, index) => sum + weight * clamp(scores[index]?.[position] ?? Number.NaN), 0),
  );
  const best = Math.max(...totals);
  const tied = candidates.filter((_, position) => totals[position] === best);
  const picked = tied[tieDraw(seed, tied.length)];
  if (picked === undefined) throw new Error("the model picked nothing");
  return { scores, totals, pickedSlot: picked.slot, tieCount: tied.length };
}

/** A number below `count` from a seed: the high half of SplitMix64's first output, scaled. */
export function tieDraw(seed: bigint, count: number): number {
  const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
  let mixed = wrap(seed + 0x9e3779b97f4a7c15n);
  mixed = wrap((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
  mixed = wrap((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
  mixed ^= mixed >> 31n;
  return Number(((mixed >> 32n) * BigInt(count)) >> 32n);
}

function scoreAll(
  candidates: readonly ModelCandidate[],
  scorer: ModelScorer,
  blockCount: number,
  blockTokens: number,
): (number | undefined)[] {
  switch (scorer.kind) {
    case "queueDepth":
      return queueScores(candidates.map(waitingNow));
    case "kvCacheUtilization":
      return candidates.map(({ kvCacheUsageFraction }) =>
        kvCacheUsageFraction === undefined ? undefined : 1 - Math.fround(kvCacheUsageFraction),
      );
    case "prefixCache":
      return candidates.map(({ matchedBlocks }) => {
        if (blockCount === 0) return 0;
        const { lengthWeight = 0, scaleTokens = 8192 } = scorer;
        const length = Math.min(1, (matchedBlocks * blockTokens) / scaleTokens);
        return lengthWeight * length * length + (1 - lengthWeight) * (matchedBlocks / blockCount);
      });
  }
}

/** The scraped queue, and what was sent since. */
function waitingNow({ queueDepthRequests, surplus }: ModelCandidate): number | undefined {
  return queueDepthRequests === undefined ? undefined : Math.fround(queueDepthRequests) + Math.max(0, surplus);
}

function queueScores(depths: readonly (number | undefined)[]): (number | undefined)[] {
  const known = depths.filter((depth) => depth !== undefined);
  const [min, max] = [Math.min(...known), Math.max(...known)];
  return depths.map((depth) => {
    if (depth === undefined) return undefined;
    return max === min ? 1 : (max - depth) / (max - min);
  });
}

/** An unknown value scores the mean of the known ones, 1 when there is none. */
function fillUnknown(scores: readonly (number | undefined)[]): number[] {
  const known = scores.filter((score) => score !== undefined);
  const mean = known.length === 0 ? 1 : known.reduce((sum, score) => sum + score, 0) / known.length;
  return scores.map((score) => score ?? mean);
}

function clamp(score: number): number {
  return Math.min(1, Math.max(0, score));
}
