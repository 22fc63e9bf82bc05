/** What the proxy tells of an exchange when it is over: for a line on the terminal, and for tests. */

/** How an exchange ended. "immediate": the picker answered in the model server's place. */
export type ExchangeOutcome = "completed" | "immediate" | "client-left" | "upstream-failed" | "picker-failed";

/** What one exchange was, told when it is over. Times count from its begin; absent ones were not reached. */
export interface ExchangeRecord {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly outcome: ExchangeOutcome;
  /** Why, for outcomes that are failures. */
  readonly detail: string | undefined;
  /** HTTP status sent to the client. */
  readonly status: number | undefined;
  /** `ip:port` of the model server. */
  readonly destination: string | undefined;
  readonly pickMs: number | undefined;
  readonly firstByteMs: number | undefined;
  readonly totalMs: number;
  readonly requestSize: number;
  readonly responseSize: number;
}
