/** What the conversations of a shard share, and whom they tell what happens. */
import type { EppError } from "../base/errors.ts";
import type { Director } from "../director/director.ts";
import type { RequestHeaderReader } from "./request-headers.ts";
import type { ProxyReports } from "./response-sight.ts";
import type { SlabPool } from "./slab-pool.ts";

export interface ConversationContext {
  readonly director: Director;
  readonly headers: RequestHeaderReader;
  readonly newRequestId: () => string;
  /** Where bodies wait for their answer. */
  readonly slabs: SlabPool;
  /** Restrict requests to the endpoints that the proxy names. */
  readonly honoursSubsetHint: boolean;
  readonly onRefusal: (error: EppError) => void;
  /** A message that is malformed or out of order; the stream ends with it. */
  readonly onProtocolError: (message: string) => void;
  /** A model name could not be rewritten because the proxy does not let this body be changed. */
  readonly onRewriteSkipped: () => void;
  /** The proxy sent the request to another endpoint than the picked one. */
  readonly onServedElsewhere: () => void;
  readonly proxyReports: ProxyReports;
  readonly onStreamOpened: () => void;
  readonly onStreamClosed: () => void;
}
