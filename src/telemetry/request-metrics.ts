/**
 * What the director reports of a request while it passes, for metrics (`src/telemetry/series/request-series.ts`) and,
 * where it is on, for its trace (`src/telemetry/tracing/traced-metrics.ts`). One observer per request.
 *
 *   open ─► identify ─► onScheduled ─► onRouted ─► onAnswered ─► onResponseHeaders ─► onResponseChunk… ─► onClosed
 *             │              └─────────────┴─► onRefused ────────────────────────────────────────────────────▲
 *             └─► onRefused ─────────────────────────────────────────────────────────────────────────────────┘
 *
 * Any call may be left out, and `onClosed` may follow any of them; what was claimed is given back there.
 */
import type { ErrorCode } from "../base/errors.ts";

/** Whose request it is: the labels of everything that is counted for it. */
export interface RequestLabels {
  /** As the client named it; empty when the body names none. */
  readonly modelName: string;
  /** As the request is sent on. */
  readonly targetModelName: string;
  readonly fairnessId: string;
  readonly priority: number;
}

/** How a decision came about. */
export interface ScheduledFacts {
  /** Undefined when no candidate was left. A `Pick` fits. */
  readonly pick:
    | {
        readonly slot: number;
        readonly generation: number;
        readonly candidateCount: number;
        readonly blockCount: number;
        /** Leading blocks of the prompt that the picked endpoint was taken to hold. */
        readonly matchedBlocks: number;
        /** Weighted total of the picked endpoint. */
        readonly total?: number;
        /** Its unweighted scores, in the policy's order; empty where they were not asked for. */
        readonly scores?: readonly number[];
      }
    | undefined;
  /** Bytes of a block of the prompt; undefined where the policy has no prefix cache. */
  readonly blockSize: number | undefined;
  /**
   * Time in the scheduler: of the whole batch, since the answer leaves when all of it is decided. Undefined when it was
   * not measured.
   */
  readonly durationMs: number | undefined;
}

export interface RoutedFacts {
  readonly slot: number;
  /** Prompt tokens charged to the endpoint until `onClosed`. */
  readonly tokens: number;
  /** Bytes of the request's body as it came. */
  readonly requestSize: number;
}

export interface ResponseHeadFacts {
  /** Undefined when the proxy did not say. */
  readonly status: number | undefined;
  /** An event stream, or the request asked for one. */
  readonly isStreaming: boolean;
}

/** What the response told about tokens. A count that it did not tell is undefined. */
export interface TokenUsage {
  readonly promptTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
  readonly completionTokens?: number | undefined;
}

export interface RequestClosed {
  /** The response came to its end: only then its times, sizes and tokens count. */
  readonly isComplete: boolean;
  /** Only the time of the whole response is known; absent is false. */
  readonly isUnseen?: boolean;
  readonly usage: TokenUsage | undefined;
}

export interface TraceHeader {
  readonly name: string;
  readonly value: string;
}

/** Headers by which the caller carries its trace; absent ones are undefined. */
export interface TraceCarrier {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
  readonly baggage: string | undefined;
}

/** One per shard. */
export interface RequestMetrics {
  /** The caller's trace headers are wanted by `open`. They are not looked for otherwise. */
  readonly readsTraceHeaders: boolean;
  /** A request with a body, at its headers. A request without one is not counted (as in the Go picker). */
  open(requestId: string, carrier?: TraceCarrier): RequestMeter;
}

/** One per request. Reads the clock itself. Nothing here allocates per chunk, throws, or waits. */
export interface RequestMeter {
  /**
   * As soon as the body is read; again when more is known (the target after a rewrite). Before it, and for refusals of
   * bodies that cannot be read, all labels are as of a request without model.
   */
  identify(labels: RequestLabels): void;
  /** The scheduler has run over at least one candidate. */
  onScheduled(facts: ScheduledFacts): void;
  /** The request goes to an endpoint. */
  onRouted(facts: RoutedFacts): void;
  /** To be set on the request that is sent on; undefined while it is not traced. */
  readonly traceHeaders: readonly TraceHeader[] | undefined;
  /** The answers to headers and body have been sent: the request runs. */
  onAnswered(): void;
  /** The picker answers the request itself. Once per request. */
  onRefused(code: ErrorCode): void;
  onResponseHeaders(facts: ResponseHeadFacts): void;
  /** When a piece of the response's body, or its trailers (size 0), came in. */
  onResponseChunk(size: number): void;
  /** When that piece has been answered. */
  onResponseChunkDone(): void;
  /** The stream is over. Once per request, always. */
  onClosed(facts: RequestClosed): void;
}
