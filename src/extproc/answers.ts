/** What a conversation answers: a decision or a refusal as ext_proc messages. */
import type { EppError } from "../base/errors.ts";
import {
  encodeHeadersResponse,
  encodeImmediateResponse,
  type HeaderSetting,
} from "../wire/ext-proc/response-encoder.ts";
import { DESTINATION_ENDPOINT, DROPPED_REASON, LB_NAMESPACE, REQUEST_ID, WENT_INTO_RESPONSE_HEADERS } from "./names.ts";

export interface RoutedAnswer {
  /** `ip:port` of the picked endpoint. */
  readonly hostPort: string;
  /** Bytes of the body that will be sent on; 0 sets no length. */
  readonly bodySize: number;
  /** Set when the picker made it because the request had none. */
  readonly newRequestId: string | undefined;
}

/** Answers the request's headers: only what changes is set. The destination also goes into load-balancer metadata. */
export function encodeRouted({ hostPort, bodySize, newRequestId }: RoutedAnswer): Buffer {
  const setHeaders: HeaderSetting[] = [{ name: DESTINATION_ENDPOINT, value: hostPort }];
  // Envoy drops the client's length when it streams a body through a processor, so it must be said again.
  if (bodySize > 0) setHeaders.push({ name: "content-length", value: String(bodySize) });
  if (newRequestId !== undefined) setHeaders.push({ name: REQUEST_ID, value: newRequestId });
  return encodeHeadersResponse("request", {
    setHeaders,
    clearRouteCache: true,
    dynamicMetadata: { [LB_NAMESPACE]: { [DESTINATION_ENDPOINT]: hostPort } },
  });
}

/** Answers the response's headers. */
export const RESPONSE_HEADERS_ANSWER: Buffer = encodeHeadersResponse("response", {
  setHeaders: [{ name: WENT_INTO_RESPONSE_HEADERS, value: "true" }],
});

/** Ends the exchange with the error's status; the body's form is the Go picker's. */
export function encodeRefusal(error: EppError): Buffer {
  return encodeImmediateResponse({
    status: error.httpStatus,
    body: `inference error: ${error.code} - ${error.message}`,
    ...(error.droppedReason !== undefined && {
      setHeaders: [{ name: DROPPED_REASON, value: error.droppedReason }],
    }),
  });
}
