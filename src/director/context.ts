/** What all requests of a shard use, and what they report. */
import type { Clock } from "../base/clock.ts";
import type { EppError } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import type { FleetView } from "../framework/fleet.ts";
import type { EXCHANGE_CAUSES } from "../telemetry/metrics.ts";
import type { Pick, ShardMemory } from "../wasm/shard-memory.ts";
import type { DecisionQueue } from "./decision-queue.ts";
import type { ObjectiveTable } from "./objectives.ts";
import type { PolicySet } from "./policy-set.ts";
import type { RequestMetrics } from "./request-metrics.ts";
import type { ResponseFacts } from "./response.ts";

/** What a decision was and what it took, for the decision log. Times in ms. */
export interface DecisionRecord {
  readonly requestId: string;
  readonly model: string | undefined;
  readonly pick: Pick;
  /** Number of the policy that decided, and position of its profile. */
  readonly policy: number;
  readonly profile: number;
  readonly batchSize: number;
  /** In the kernel, per pick of the batch. */
  readonly decisionMs: number;
  /** From the last byte of the body to the decision. */
  readonly pickMs: number;
  /** From the request's headers to the decision. */
  readonly requestMs: number;
}

/**
 * Why a request is over. `natural`: its response came to its end, or is of no interest. `refused`: the picker answered
 * it. `client-disconnect`: the proxy cancelled the stream. `error`: the stream ended before the response did.
 */
export type TerminationCause = (typeof EXCHANGE_CAUSES)[number];

/** How a request ended; reported exactly once for each. */
export interface FinishRecord {
  readonly cause: TerminationCause;
  readonly requestId: string;
  readonly model: string | undefined;
  /** The picked endpoint's slot; undefined when none was picked. */
  readonly slot: number | undefined;
  /** Why the picker refused it; undefined when it did not. */
  readonly refusal: EppError | undefined;
  /** Bytes of the request's body that came. */
  readonly requestSize: number;
  /** Undefined when the response was not seen. */
  readonly response: ResponseFacts | undefined;
  /** From the request's headers to the end of its stream. */
  readonly durationMs: number;
  /** From the request's headers to the first byte of the response's body; undefined when none came. */
  readonly firstByteMs: number | undefined;
}

export interface DirectorContext {
  readonly memory: ShardMemory;
  readonly decisions: DecisionQueue;
  readonly policies: PolicySet;
  readonly fleet: FleetView;
  readonly objectives: ObjectiveTable;
  readonly clock: Clock;
  /** Seeds of decisions. */
  readonly prng: Prng;
  readonly limits: { readonly requestBodySizeMax: number; readonly modelSizeMax: number };
  /** A model that the name table does not know; the control thread may give it a number. */
  readonly onUnknownName: (name: string) => void;
  /** Set while decisions are logged. */
  readonly onDecision?: (record: DecisionRecord) => void;
  readonly onFinished: (record: FinishRecord) => void;
  /** Counts requests by their labels; nothing is counted when absent. */
  readonly metrics?: RequestMetrics;
}
