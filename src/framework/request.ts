/**
 * A request as plugins see it. A shard makes one view per request, and only when a plugin of the policy looks at it.
 * Prompts are not here: no plugin needs them, and what is not here cannot be logged.
 */
import type { DataKey } from "./attributes.ts";

export interface RequestView {
  readonly requestId: string;
  /** Path without query. */
  readonly path: string;
  /** The model that the request is sent on under. Undefined before the body is read, and for a body without one. */
  readonly model: string | undefined;
  /** The request asks for a streamed response. False before the body is read. */
  readonly isStream: boolean;
  /** Bytes of the body so far. */
  readonly bodySize: number;
  /** Tokens of the prompt, estimated; 0 before the body is read. */
  readonly promptTokens: number;
  /** Of the request's objective; 0 without one. Below 0 the request may be shed. */
  readonly priority: number;
  readonly fairnessId: string;
  /** When the headers came, on the clock that decisions use. */
  readonly receivedAtMs: number;
  /** A header's value. Only headers that a plugin of the policy declares in `headers` are kept. */
  header(name: string): string | undefined;
  /** What a producer or hook has set for this request. */
  attribute(key: DataKey): unknown;
  setAttribute(key: DataKey, value: unknown): void;
}

/** A header to be set on its way to the server or back to the client. */
export interface HeaderChange {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
}

/** The head of a server's response, as hooks see it. */
export interface ResponseHead {
  readonly status: string | undefined;
  /** `ip:port` of the server that the proxy says it used; undefined when it does not say. */
  readonly servedBy: string | undefined;
}

/** How a request ended, as hooks see it. */
export interface ResponseEnd {
  readonly cause: "natural" | "refused" | "client-disconnect" | "error";
  readonly promptTokens: number | undefined;
  readonly completionTokens: number | undefined;
}
