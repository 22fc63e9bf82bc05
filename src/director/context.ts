/** What all requests of a shard use, and what they report. */
import type { Clock } from "../base/clock.ts";
import type { Prng } from "../base/prng.ts";
import type { ParserDefinition } from "../parsing/parser.ts";
import type { Pick, ShardMemory } from "../wasm/shard-memory.ts";
import type { DecisionQueue } from "./decision-queue.ts";

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

export interface DirectorContext {
  readonly memory: ShardMemory;
  readonly decisions: DecisionQueue;
  readonly clock: Clock;
  /** Seeds of decisions. */
  readonly prng: Prng;
  readonly parsers: readonly ParserDefinition[];
  readonly limits: { readonly requestBodySizeMax: number };
  /** A model that the name table does not know; the control thread may give it a number. */
  readonly onUnknownName: (name: string) => void;
  /** Set while decisions are logged. */
  readonly onDecision?: (record: DecisionRecord) => void;
}
