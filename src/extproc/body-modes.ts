/**
 * How a proxy sends bodies, and what follows for the order of answers. Envoy says its modes in the first message of a
 * stream; a proxy that says nothing is taken to stream in full duplex, as the endpoint picker protocol asks.
 *
 *   mode              pick made        headers answered       each body message answered with
 *   full duplex       body complete    with the pick          pieces of the body, as many as it takes
 *   buffered          body complete    at once, empty         the pick as header mutation, body if it changed
 *   buffered partial  first message    at once, empty         the same; the body may be cut
 *   streamed          headers          with the pick          an empty answer: headers have left before the body comes
 *   none              headers          with the pick          (none comes)
 */
import { BODY_SEND_MODE } from "../wire/ext-proc/fields.ts";
import type { ProtocolConfig } from "../wire/ext-proc/request-context.ts";

export type BodyMode = "full-duplex" | "buffered" | "buffered-partial" | "streamed" | "none";

export interface BodyModes {
  readonly request: BodyMode;
  readonly response: BodyMode;
  /** The request's mode as the proxy said it: a `BODY_SEND_MODE` value, or a newer one. */
  readonly requestSendMode: number;
}

export const BODY_MODES_DEFAULT: BodyModes = {
  request: "full-duplex",
  response: "full-duplex",
  requestSendMode: BODY_SEND_MODE.fullDuplexStreamed,
};

export function readBodyModes(config: ProtocolConfig | undefined): BodyModes {
  if (config === undefined) return BODY_MODES_DEFAULT;
  return {
    request: bodyMode(config.requestBodyMode),
    response: bodyMode(config.responseBodyMode),
    requestSendMode: config.requestBodyMode,
  };
}

function bodyMode(mode: number): BodyMode {
  switch (mode) {
    case BODY_SEND_MODE.none:
      return "none";
    case BODY_SEND_MODE.streamed:
      return "streamed";
    case BODY_SEND_MODE.buffered:
      return "buffered";
    case BODY_SEND_MODE.bufferedPartial:
      return "buffered-partial";
    default:
      // Full duplex, its gRPC variant, and what newer proxies may add, which are answered in the same way.
      return "full-duplex";
  }
}
