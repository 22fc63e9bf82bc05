/**
 * Headers between Node's HTTP/1.1 and ext_proc: a list with pseudo headers first, as HTTP/2 and Envoy have it, and the
 * mutations that a picker answers, under Envoy's rules.
 */
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { HEADER_APPEND_ACTION } from "../wire/ext-proc/fields.ts";
import type { HeaderPair } from "../wire/ext-proc/header-map.ts";
import type { ReceivedHeaderMutation, ReceivedHeaderSetting } from "../wire/ext-proc/header-mutation-decoder.ts";

/** Lower-case name, and the value with one character per byte, as Node reads HTTP. */
export type HttpHeader = readonly [name: string, value: string];

/** Where the pick stands. Plain Envoys are configured with this name. */
export const DESTINATION_HEADER = "x-gateway-destination-endpoint";
const REQUEST_ID_HEADER = "x-request-id";

/** Of one connection, not of the exchange (RFC 9110, 7.6.1). `expect` is answered by the server itself. */
const HOP_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What Envoy's mutation rules protect by default: changes of these are ignored. */
const PROTECTED_HEADERS: ReadonlySet<string> = new Set([":authority", ":method", ":scheme", "host"]);

/**
 * What a client sent: `:method`, `:scheme`, `:authority`, `:path`, its own headers, and a request id when it has none.
 */
export function requestHeaders(request: IncomingMessage, newRequestId: () => string): HttpHeader[] {
  const own = ownHeaders(request);
  const headers: HttpHeader[] = [
    [":method", request.method ?? "GET"],
    [":scheme", "http"],
    [":authority", request.headers.host ?? ""],
    [":path", request.url ?? "/"],
    ...own.filter(([name]) => name !== "host"),
  ];
  if (findHttpHeader(headers, REQUEST_ID_HEADER) === undefined) headers.push([REQUEST_ID_HEADER, newRequestId()]);
  return headers;
}

/** What a model server answered: `:status`, then its headers. */
export function responseHeaders(response: IncomingMessage): HttpHeader[] {
  return [[":status", String(response.statusCode ?? 0)], ...ownHeaders(response)];
}

/** Trailers of a message that has ended. */
export function trailers(message: IncomingMessage): HttpHeader[] {
  return pairs(message.rawTrailers);
}

function ownHeaders(message: IncomingMessage): HttpHeader[] {
  return pairs(message.rawHeaders).filter(([name]) => !HOP_HEADERS.has(name));
}

/** From Node's flat list. */
function pairs(raw: readonly string[]): HttpHeader[] {
  const headers: HttpHeader[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    headers.push([(raw[index] as string).toLowerCase(), raw[index + 1] as string]);
  }
  return headers;
}

/** The first header of that lower-case name. */
export function findHttpHeader(headers: readonly HttpHeader[], name: string): string | undefined {
  return headers.find(([other]) => other === name)?.[1];
}

/** For the codec: values as the bytes they came as. */
export function toHeaderPairs(headers: readonly HttpHeader[]): HeaderPair[] {
  return headers.map(([name, value]) => ({ name, value: Buffer.from(value, "latin1") }));
}

/** For `http.request` and `writeHead`: Node's flat list, without pseudo headers and those of the connection. */
export function toRawHeaders(headers: readonly HttpHeader[]): string[] {
  return headers.filter(([name]) => !name.startsWith(":") && !HOP_HEADERS.has(name)).flat();
}

/** The headers after a mutation: removals first, then settings in their order. */
export function mutateHeaders(headers: readonly HttpHeader[], mutation: ReceivedHeaderMutation): HttpHeader[] {
  const removed = new Set(mutation.removeHeaders.map((name) => name.toLowerCase()));
  const isRemoved = (name: string): boolean => removed.has(name) && !name.startsWith(":") && name !== "host";
  let mutated = headers.filter(([name]) => !isRemoved(name));
  for (const setting of mutation.setHeaders) mutated = applySetting(mutated, setting);
  return mutated;
}

function applySetting(headers: HttpHeader[], setting: ReceivedHeaderSetting): HttpHeader[] {
  const header: HttpHeader = [setting.name.toLowerCase(), setting.value.toString("latin1")];
  if (PROTECTED_HEADERS.has(header[0])) return headers;
  const isThere = findHttpHeader(headers, header[0]) !== undefined;
  switch (setting.appendAction) {
    case HEADER_APPEND_ACTION.addIfAbsent:
      return isThere ? headers : [...headers, header];
    case HEADER_APPEND_ACTION.overwriteIfExists:
      return isThere ? overwrite(headers, header) : headers;
    case HEADER_APPEND_ACTION.overwriteIfExistsOrAdd:
      return overwrite(headers, header);
    default:
      return setting.append === true ? [...headers, header] : overwrite(headers, header);
  }
}

/** The header takes the place of the first of its name; further ones go. */
function overwrite(headers: readonly HttpHeader[], header: HttpHeader): HttpHeader[] {
  const position = headers.findIndex(([name]) => name === header[0]);
  if (position < 0) return [...headers, header];
  return headers
    .map((other, index) => (index === position ? header : other))
    .filter(([name], index) => index === position || name !== header[0]);
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * The first `ip:port` or `[v6]:port` of a comma-separated list; undefined when that is no address, host names included.
 */
export function parseDestination(list: string | undefined): HostPort | undefined {
  const first = list?.split(",", 1)[0]?.trim() ?? "";
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(first);
  if (match === null) return undefined;
  const host = match[1] ?? match[2] ?? "";
  const port = Number(match[3]);
  return isIP(host) !== 0 && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}
