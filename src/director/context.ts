/** What all requests of a shard use, and what they report. */
import type { Clock } from "../base/clock.ts";
import type { Prng } from "../base/prng.ts";
import type { ParserDefinition } from "../parsing/parser.ts";
import type { EXCHANGE_CAUSES } from "../telemetry/metrics.ts";
import type { Pick, ShardMemory } from "../wasm/shard-memory.ts";
import type { DecisionQueue } from "./decision-queue.ts";
import type { RequestMetrics } from "./request-metrics.ts";
import type { ResponseFacts } from "./response.ts";

/** What a decision was and what it took, for the decision log. Times in ms. */
export interface DecisionRecord {
  readonly requestId: string;
  readonly model: string | undefined;
  readonly pick: Pick;
  /** Number of the policy that decided. */
  readonly policy: number;
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
  /** Undefined when the response was not seen. */
  readonly response: ResponseFacts | undefined;
  readonly durationMs: number;
}

export interface DirectorContext {
  readonly memory: ShardMemory;
  readonly decisions: DecisionQueue;
  readonly clock: Clock;
  /** Seeds of decisions. */
  readonly prng: Prng;
  readonly parsers: readonly ParserDefinition[];
  readonly limits: { readonly requestBodySizeMax: number; readonly modelSizeMax: number };
  /** A model that the name table does not know; the control thread may give it a number. */
  readonly onUnknownName: (name: string) => void;
  /** Set while decisions are logged. */
  readonly onDecision?: (record: DecisionRecord) => void;
  readonly onFinished: (record: FinishRecord) => void;
  /** Counts requests by their labels; nothing is counted when absent. */
  readonly metrics?: RequestMetrics;
}
