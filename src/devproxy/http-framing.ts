/** Where bodies begin and end in HTTP/1.1 (RFC 9112, 6): who has one, how long it is, and the headers that say so. */
import type { IncomingMessage } from "node:http";
import { findHttpHeader, type HttpHeader, toRawHeaders } from "./http-headers.ts";

/** The size of a body that has a Content-Length; undefined for one that comes in chunks. */
export function declaredSize(message: IncomingMessage): number | undefined {
  const length = message.headers["content-length"];
  return length === undefined || message.headers["transfer-encoding"] !== undefined ? undefined : Number(length);
}

/** Whether a body can follow these headers. Node has checked that the length is a number. */
export function hasBody(message: IncomingMessage, isRequest: boolean): boolean {
  const size = declaredSize(message);
  if (size !== undefined) return size > 0;
  return !isRequest || message.headers["transfer-encoding"] !== undefined;
}

/** The headers of the request to the model server. A body whose size is not promised goes in chunks. */
export function upstreamHeaders(headers: readonly HttpHeader[], isBodyFollowing: boolean): string[] {
  const raw = ["host", findHttpHeader(headers, ":authority") ?? "", ...toRawHeaders(headers)];
  if (promisedSize(headers) !== undefined) return raw;
  if (isBodyFollowing) raw.push("transfer-encoding", "chunked");
  // Node would announce chunks where the method usually has a body.
  else if (BODY_METHODS.has(findHttpHeader(headers, ":method") ?? "")) raw.push("content-length", "0");
  return raw;
}

const BODY_METHODS: ReadonlySet<string> = new Set(["PATCH", "POST", "PUT"]);

/** Of an answer of the proxy's own. */
export function localHeaders(body: Buffer): HttpHeader[] {
  const headers: HttpHeader[] = [["content-length", String(body.length)]];
  if (body.length > 0) headers.push(["content-type", "text/plain"]);
  return headers;
}

export function promisedSize(headers: readonly HttpHeader[]): number | undefined {
  const length = findHttpHeader(headers, "content-length");
  return length === undefined ? undefined : Number(length);
}

/** RFC 9110, 6.4.1: these have no body whatever their headers say. */
export function canHaveBody(response: IncomingMessage, method: string | undefined): boolean {
  return method !== "HEAD" && response.statusCode !== 204 && response.statusCode !== 304;
}
