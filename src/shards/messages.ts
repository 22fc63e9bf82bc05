/** What the control thread and a shard say to each other. Requests never pass here; they stay on their shard. */
import type { MessagePort } from "node:worker_threads";
import type { ErrorCode } from "../base/errors.ts";
import type { DecisionRecord } from "../director/context.ts";
import type { ParserType } from "../parsing/parser.ts";

/** What a shard is started with. */
export interface ShardTask {
  readonly memory: WebAssembly.Memory;
  /** What the shard counts in; the series table of one that died goes to its successor. */
  readonly series: SharedArrayBuffer;
  readonly shard: number;
  readonly control: MessagePort;
  /** Where operators' questions come in (src/platform/thread-queries.ts). */
  readonly queries: MessagePort;
  readonly listen: { readonly host: string; readonly port: number; readonly reusePort: boolean };
  /** Seeds the draws of this shard's decisions. */
  readonly seed: number;
  readonly requestBodySizeMax: number;
  /** Which request APIs are read, in this order. */
  readonly parserTypes: readonly ParserType[];
  /** Restrict requests to the endpoints that the proxy names. */
  readonly honoursSubsetHint: boolean;
  /** Count ext_proc streams by how they end. */
  readonly countsStreams: boolean;
  /** Tell the proxy every candidate's total. */
  readonly emitEndpointScores: boolean;
  /** Report every decision and refusal. */
  readonly reportDecisions: boolean;
}

export type ToShard =
  /** Take no new streams, serve the open ones for up to `graceMs`, then end. */
  | { readonly kind: "drain"; readonly graceMs: number }
  /** End now. */
  | { readonly kind: "close" };

export type FromShard =
  /** `thread`: Node's number of the thread that the shard runs on. */
  | { readonly kind: "listening"; readonly port: number; readonly thread: number }
  /** The port cannot be had; the shard ends. */
  | { readonly kind: "listenFailed"; readonly code: string; readonly message: string }
  /** A model that the name table does not know. */
  | { readonly kind: "unknownName"; readonly name: string }
  | { readonly kind: "decision"; readonly record: DecisionRecord }
  | { readonly kind: "refusal"; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: "protocolError"; readonly message: string };
