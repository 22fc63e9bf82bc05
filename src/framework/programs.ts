/**
 * What a filter, scorer or picker does. Built-in ones are programs of the kernel: an operation, numbers, and named
 * resources that the control thread or the shard fills in. A user's own are functions over candidates.
 */
import type { DetectorOp, FilterOp, PickerOp, ScorerOp } from "../wasm/policies.ts";
import type { Candidates, FleetEndpoint, FleetView, Labels } from "./fleet.ts";
import type { RequestView } from "./request.ts";

/** What a kernel program reads besides the columns that every endpoint has. */
export interface ProgramResources {
  /** One bit per endpoint, set where this returns true; kept up to date with the fleet by the control thread. */
  readonly labelMask?: (labels: Labels) => boolean;
  /** One number per endpoint and entry. */
  readonly columns?: readonly ColumnSource[];
  /**
   * The endpoints that a request singles out, asked once per request on its shard; undefined when it singles out none,
   * which differs from an empty list.
   */
  readonly requestMask?: (request: RequestView, fleet: FleetView) => readonly FleetEndpoint[] | undefined;
  /** The session that a request belongs to; undefined for none. */
  readonly sessionKey?: (request: RequestView) => string | undefined;
  /** Seconds for which a session stays bound to its endpoint without a request. */
  readonly sessionSecondsMax?: number;
}

export type ColumnSource =
  /** Computed from an endpoint's labels; NaN where they do not say. */
  | { readonly kind: "labels"; readonly name: string; readonly value: (labels: Labels) => number }
  /** A scraped custom metric, or a column that a user's plugin shares. NaN where unknown. */
  | { readonly kind: "attribute"; readonly attribute: string; readonly producer: string };

export interface FilterProgram extends ProgramResources {
  readonly op: FilterOp;
  /** As `assembly/filters.ts` documents them. */
  readonly parameters?: readonly number[];
}

export interface ScorerProgram extends ProgramResources {
  readonly op: ScorerOp;
  /** As `assembly/scorers.ts` documents them. */
  readonly parameters?: readonly number[];
}

export interface PickerProgram {
  readonly op: PickerOp;
  /** Endpoints that a pick names, 1 … TARGETS_MAX: the picked one and those to fall back to. */
  readonly targetsMax: number;
}

/** How full a pool is: 0 idle, 1 saturated, more is possible. */
export interface DetectorProgram {
  readonly op: DetectorOp;
  /** As `assembly/saturation.ts` documents them. */
  readonly parameters: readonly number[];
}

export interface CustomFilter {
  /** Whether the candidate at each position stays: writes 1 or 0 to `keep`, which is all 1 when it is called. */
  filter(request: RequestView, candidates: Candidates, keep: Uint8Array): void;
}

export interface CustomScorer {
  /** Writes one score in [0, 1] per candidate to `scores`, which is all NaN (unknown) when it is called. */
  score(request: RequestView, candidates: Candidates, scores: Float64Array): void;
}

export interface CustomPicker {
  readonly targetsMax: number;
  /** Positions of the picked candidate and of those to fall back to, best first; at least one. */
  pick(request: RequestView, candidates: Candidates, totals: Float64Array): readonly number[];
}
