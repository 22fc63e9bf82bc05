/**
 * Decodes what a proxy sends: one ProcessingRequest into a small object that points into the message. A body stays
 * where it arrived (a view), headers stay bytes (`header-map.ts` finds those that are wanted), and metadata, attributes
 * and protocol configuration are read from `source` when somebody asks (`request-context.ts`).
 *
 *   const message = decodeProcessingRequest(bytes);      // throws WireError
 *   switch (message.kind) {
 *     case "requestHeaders": findHeaders(message.headers, wanted) …
 *
 * As in protobuf the last member of the oneof wins and unknown fields are skipped. Other than in protobuf, a member
 * that stands twice is not merged: the later one replaces the earlier. No proxy sends that.
 */
import { bufferOver, ProtobufReader } from "../protobuf/reader.ts";
import { HTTP_BODY, HTTP_HEADERS, HTTP_TRAILERS, PROCESSING_REQUEST } from "./fields.ts";
import { HeaderBytes, NO_HEADERS } from "./header-map.ts";

export type ProcessingRequest = HeadersMessage | BodyMessage | TrailersMessage | UnknownMessage;

export interface HeadersMessage extends MessageContext {
  readonly kind: "requestHeaders" | "responseHeaders";
  readonly headers: HeaderBytes;
  /** Neither body nor trailers follow. */
  readonly endOfStream: boolean;
}

export interface BodyMessage extends MessageContext {
  readonly kind: "requestBody" | "responseBody";
  /** A view into the message; may be empty. */
  readonly body: Buffer;
  readonly endOfStream: boolean;
}

export interface TrailersMessage extends MessageContext {
  readonly kind: "requestTrailers" | "responseTrailers";
  readonly headers: HeaderBytes;
}

/** None of the members that we know: a newer proxy, or an empty message. */
export interface UnknownMessage extends MessageContext {
  readonly kind: "unknown";
}

interface MessageContext {
  /** The whole message as it came. */
  readonly source: Buffer;
  /** The proxy ignores answers. */
  readonly observabilityMode: boolean;
}

/** Decodes one message. Shares its memory with the result. Throws `WireError` when it is malformed. */
export function decodeProcessingRequest(message: Uint8Array): ProcessingRequest {
  const source = bufferOver(message);
  const reader = new ProtobufReader(source);
  let member = 0;
  let start = 0;
  let end = 0;
  let observabilityMode = false;
  while (reader.nextField()) {
    if (reader.field >= PROCESSING_REQUEST.requestHeaders && reader.field <= PROCESSING_REQUEST.responseTrailers) {
      member = reader.field;
      end = reader.readRange();
      start = reader.position;
      reader.position = end;
    } else if (reader.field === PROCESSING_REQUEST.observabilityMode) observabilityMode = reader.readBool();
    else if (reader.field === PROCESSING_REQUEST.attributes || isContext(reader.field)) {
      reader.position = reader.readRange();
    } else reader.skipField();
  }
  reader.position = start;
  reader.end = end;
  return readMember(reader, member, observabilityMode);
}

function isContext(field: number): boolean {
  return field === PROCESSING_REQUEST.metadataContext || field === PROCESSING_REQUEST.protocolConfig;
}

function readMember(reader: ProtobufReader, member: number, observabilityMode: boolean): ProcessingRequest {
  switch (member) {
    case PROCESSING_REQUEST.requestHeaders:
      return readHeaders(reader, "requestHeaders", observabilityMode);
    case PROCESSING_REQUEST.responseHeaders:
      return readHeaders(reader, "responseHeaders", observabilityMode);
    case PROCESSING_REQUEST.requestBody:
      return readBody(reader, "requestBody", observabilityMode);
    case PROCESSING_REQUEST.responseBody:
      return readBody(reader, "responseBody", observabilityMode);
    case PROCESSING_REQUEST.requestTrailers:
      return readTrailers(reader, "requestTrailers", observabilityMode);
    case PROCESSING_REQUEST.responseTrailers:
      return readTrailers(reader, "responseTrailers", observabilityMode);
    default:
      return { kind: "unknown", source: reader.bytes, observabilityMode };
  }
}

function readHeaders(reader: ProtobufReader, kind: HeadersMessage["kind"], observabilityMode: boolean): HeadersMessage {
  let headers = NO_HEADERS;
  let endOfStream = false;
  while (reader.nextField()) {
    if (reader.field === HTTP_HEADERS.headers) headers = readHeaderBytes(reader);
    else if (reader.field === HTTP_HEADERS.endOfStream) endOfStream = reader.readBool();
    else reader.skipField();
  }
  return { kind, headers, endOfStream, source: reader.bytes, observabilityMode };
}

function readBody(reader: ProtobufReader, kind: BodyMessage["kind"], observabilityMode: boolean): BodyMessage {
  let start = 0;
  let end = 0;
  let endOfStream = false;
  while (reader.nextField()) {
    if (reader.field === HTTP_BODY.body) {
      end = reader.readRange();
      start = reader.position;
      reader.position = end;
    } else if (reader.field === HTTP_BODY.endOfStream) endOfStream = reader.readBool();
    else reader.skipField();
  }
  return { kind, body: reader.bytes.subarray(start, end), endOfStream, source: reader.bytes, observabilityMode };
}

function readTrailers(
  reader: ProtobufReader,
  kind: TrailersMessage["kind"],
  observabilityMode: boolean,
): TrailersMessage {
  let headers = NO_HEADERS;
  while (reader.nextField()) {
    if (reader.field === HTTP_TRAILERS.trailers) headers = readHeaderBytes(reader);
    else reader.skipField();
  }
  return { kind, headers, source: reader.bytes, observabilityMode };
}

function readHeaderBytes(reader: ProtobufReader): HeaderBytes {
  const end = reader.readRange();
  const headers = new HeaderBytes(reader.bytes, reader.position, end);
  reader.position = end;
  return headers;
}
