/**
 * A profile's user functions as the kernel's staged run calls them: each watched by its plugin's guard, with what a
 * decision does without it. A filter that fails keeps all candidates, a scorer knows no score, a picker falls back to
 * the highest total.
 */
import type { FleetView } from "../framework/fleet.ts";
import type { CustomPicker } from "../framework/programs.ts";
import type { RequestView } from "../framework/request.ts";
import type { CustomStages, Guarded } from "../scheduling/compiled-policy.ts";
import { BadResult } from "../scheduling/plugin-guard.ts";
import { layout } from "../wasm/layout.ts";
import type { CandidateColumns, Stages } from "../wasm/shard-memory.ts";
import { NamedCandidates } from "./candidates.ts";

export interface StageContext {
  readonly request: RequestView;
  readonly fleet: FleetView;
  readonly hostPortOf: (slot: number) => string;
}

export function kernelStages(custom: CustomStages, { request, fleet, hostPortOf }: StageContext): Stages {
  const named = (columns: CandidateColumns): NamedCandidates => new NamedCandidates(columns, fleet, hostPortOf);
  const targetsMax = Math.min(Math.max(1, custom.picker?.part.targetsMax ?? 1), layout.TARGETS_MAX);
  return {
    filter(number, columns, keep) {
      const { part, guard } = custom.filters.get(number) as Guarded<{ filter: FilterFunction }>;
      keep.fill(1);
      const isDone = guard.run(() => isSync(part.filter(request, named(columns), keep)), false);
      if (!isDone) keep.fill(1);
    },
    score(number, columns, scores) {
      const { part, guard } = custom.scorers.get(number) as Guarded<{ score: ScoreFunction }>;
      scores.fill(Number.NaN);
      const isDone = guard.run(() => isSync(part.score(request, named(columns), scores)), false);
      if (!isDone) scores.fill(Number.NaN);
    },
    pick(columns, totals) {
      const picker = custom.picker as Guarded<CustomPicker>;
      const best = [highest(totals)];
      const call = (): readonly number[] =>
        checkPositions(picker.part.pick(request, named(columns), totals), columns.count);
      return picker.guard.run(call, best).slice(0, targetsMax);
    },
  };
}

type FilterFunction = (request: RequestView, candidates: NamedCandidates, keep: Uint8Array) => unknown;
type ScoreFunction = (request: RequestView, candidates: NamedCandidates, scores: Float64Array) => unknown;

/** What a function without a result returns does not matter, unless it is a promise, which the guard refuses. */
function isSync(returned: unknown): boolean {
  return typeof returned === "object" && returned !== null && "then" in returned
    ? (returned as unknown as boolean)
    : true;
}

function checkPositions(given: unknown, count: number): readonly number[] {
  if (!Array.isArray(given) || given.length === 0) {
    if (typeof given === "object" && given !== null && "then" in given) return given as unknown as readonly number[];
    throw new BadResult("pick returned no list of positions");
  }
  const positions = given as readonly unknown[];
  for (const position of positions) {
    if (Number.isInteger(position) && (position as number) >= 0 && (position as number) < count) continue;
    throw new BadResult(`pick returned position ${String(position)} of ${count} candidates`);
  }
  if (new Set(positions).size !== positions.length) throw new BadResult("pick returned a position twice");
  return positions as readonly number[];
}

function highest(totals: Float64Array): number {
  let best = 0;
  for (let position = 1; position < totals.length; position++) {
    if ((totals[position] as number) > (totals[best] as number)) best = position;
  }
  return best;
}
