/** What the picker reads from a response's headers and metadata. */
import type { ResponseHeaders } from "../director/response.ts";
import { findHeaders, HeaderNames } from "../wire/ext-proc/header-map.ts";
import { readFilterMetadata } from "../wire/ext-proc/request-context.ts";
import type { HeadersMessage } from "../wire/ext-proc/request-decoder.ts";
import { DESTINATION_ENDPOINT_SERVED, LB_NAMESPACE } from "./names.ts";

/** Envoy sends `:status`; some clients send `status`. */
const WANTED = new HeaderNames([":status", "status", "content-type", "content-encoding"]);

export function readResponseHeaders(message: HeadersMessage): ResponseHeaders {
  const [pseudoStatus, plainStatus, contentType, contentEncoding] = findHeaders(message.headers, WANTED);
  const status = Number.parseInt(pseudoStatus ?? plainStatus ?? "", 10);
  const served = readFilterMetadata(message, LB_NAMESPACE)?.[DESTINATION_ENDPOINT_SERVED];
  return {
    status: Number.isNaN(status) ? undefined : status,
    contentType: contentType ?? "",
    contentEncoding: contentEncoding ?? "",
    servedBy: typeof served === "string" ? served : undefined,
  };
}
