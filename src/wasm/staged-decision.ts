/**
 * One decision step by step, for profiles with parts in TypeScript: each custom filter, scorer and picker runs at its
 * place in the profile, between the kernel's steps. What a custom part throws ends the decision before it has charged
 * anything.
 */
import { assert } from "../base/assert.ts";
import type { CandidateColumns } from "./candidate-columns.ts";
import type { Kernel } from "./kernel.ts";
import { layout } from "./layout.ts";

/** The custom parts of a profile. `number`: position among its filters, or its scorers. */
export interface Stages {
  /** Whether the candidate at each position stays: writes 1 or 0 to `keep`, which is all 1 when it is called. */
  filter?(number: number, candidates: CandidateColumns, keep: Uint8Array): void;
  /** Writes one score in [0, 1] per candidate; NaN, which all are when it is called, is unknown. */
  score?(number: number, candidates: CandidateColumns, scores: Float64Array): void;
  /** Positions of the picked candidate and of those to fall back to, best first; at least one, at most TARGETS_MAX. */
  pick?(candidates: CandidateColumns, totals: Float64Array): readonly number[];
}

export class StagedDecision {
  readonly #kernel: Kernel;
  readonly #shard: number;
  readonly #view: DataView;
  readonly #scratch: number;
  readonly #memory: WebAssembly.Memory;
  readonly candidates: CandidateColumns;

  constructor(
    memory: WebAssembly.Memory,
    kernel: Kernel,
    at: { shard: number; base: number },
    columns: CandidateColumns,
  ) {
    this.#memory = memory;
    this.#kernel = kernel;
    this.#shard = at.shard;
    this.#scratch = at.base;
    this.#view = new DataView(memory.buffer);
    this.candidates = columns;
  }

  /** Takes the snapshot and lists the candidates of the request in record 0. Returns how many there are. */
  begin(nowMs: number): number {
    const count = this.#kernel.stageBegin(this.#shard, nowMs);
    this.candidates.refresh();
    return count;
  }

  /** Decides the request in record 0, whose profile stands at `profile`. The record has the answer afterwards. */
  run(profile: number, nowMs: number, stages: Stages): void {
    if (this.begin(nowMs) === 0 || !this.#filter(profile, nowMs, stages)) return;
    this.#score(profile, nowMs, stages);
    const chosen = this.#pick(profile, stages);
    this.#kernel.stageAnswer(this.#shard, chosen, nowMs);
  }

  /** False when a filter has left nothing. */
  #filter(profile: number, nowMs: number, stages: Stages): boolean {
    const count = this.#u32(profile + layout.PROFILE_FILTER_COUNT);
    for (let number = 0; number < count; number++) {
      const filter = profile + layout.PROFILE_FILTERS + number * layout.PROGRAM_STRIDE;
      if (this.#u32(filter + layout.PROGRAM_OP) === layout.FILTER_CUSTOM) {
        assert(stages.filter !== undefined, "the profile has a custom filter, and none is given");
        const keep = new Uint8Array(this.#memory.buffer, this.#scratch + layout.KEPT, this.candidates.count).fill(1);
        stages.filter(number, this.candidates, keep);
      }
      const kept = this.#kernel.stageFilter(this.#shard, number, nowMs);
      this.candidates.refresh();
      if (kept === 0) return false;
    }
    return true;
  }

  #score(profile: number, nowMs: number, stages: Stages): void {
    const count = this.#u32(profile + layout.PROFILE_SCORER_COUNT);
    for (let number = 0; number < count; number++) {
      const scorer = profile + layout.PROFILE_SCORERS + number * layout.PROGRAM_STRIDE;
      if (this.#u32(scorer + layout.PROGRAM_OP) === layout.SCORER_CUSTOM) {
        assert(stages.score !== undefined, "the profile has a custom scorer, and none is given");
        const scores = this.#column(layout.SCORES + number * layout.SCORES_STRIDE).fill(Number.NaN);
        stages.score(number, this.candidates, scores);
      }
      this.#kernel.stageScore(this.#shard, number, nowMs);
    }
    this.#kernel.stageTotal(this.#shard);
  }

  #pick(profile: number, stages: Stages): number {
    if (this.#u32(profile + layout.PROFILE_PICKER) !== layout.PICKER_CUSTOM) return this.#kernel.stagePick(this.#shard);
    assert(stages.pick !== undefined, "the profile has a custom picker, and none is given");
    // A copy: what a picker does to it changes no total that is reported.
    const chosen = stages.pick(this.candidates, this.#column(layout.TOTALS).slice());
    assert(chosen.length >= 1 && chosen.length <= layout.TARGETS_MAX, `a custom picker named ${chosen.length} targets`);
    for (const [index, position] of chosen.entries()) {
      const isCandidate = Number.isInteger(position) && position >= 0 && position < this.candidates.count;
      assert(isCandidate, `a custom picker named position ${position} of ${this.candidates.count}`);
      this.#view.setUint16(this.#scratch + layout.CHOSEN + index * 2, position, true);
    }
    this.#view.setUint32(this.#scratch + layout.SHARD_PICKS + layout.PICK_TIE_COUNT, 1, true);
    return chosen.length;
  }

  #column(offset: number): Float64Array {
    return new Float64Array(this.#memory.buffer, this.#scratch + offset, this.candidates.count);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }
}
