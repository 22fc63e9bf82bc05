/** What a request is opened with: all that its headers say. */
import type { TraceCarrier } from "./request-metrics.ts";
import type { HeaderLookup } from "./request-view.ts";

export interface RequestOptions {
  readonly requestId: string;
  readonly path: string;
  /** The request has no body: it is routed, but counted in no metric, as in the Go picker. */
  readonly isBodyless?: boolean;
  /** Model to send the request on under; as in the body when absent. */
  readonly rewriteModelTo?: string | undefined;
  /** Name of its objective, which gives it a priority. */
  readonly objective?: string | undefined;
  readonly fairnessId?: string | undefined;
  /** The client wants an endpoint that holds some of the prompt, or none. */
  readonly wantsCached?: boolean | undefined;
  /** Headers that plugins of the policy read. */
  readonly header?: HeaderLookup | undefined;
  readonly trace?: TraceCarrier | undefined;
}
