/**
 * Decodes what a proxy sends: one ProcessingRequest into a small object that points into the message. A body stays
 * where it arrived (a view), headers stay bytes (`header-map.ts` finds those that are wanted), and so do metadata,
 * attributes and protocol configuration until somebody asks (`request-context.ts`).
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

export interface MessageContext {
  /** The whole message as it came. */
  readonly source: Buffer;
  /** Bytes of `metadata_context`, a view; undefined without it, and where it is empty, as it is in most messages. */
  readonly metadata: Buffer | undefined;
  /** Bytes of `protocol_config`, a view; undefined without it. Empty is not without. */
  readonly protocolConfig: Buffer | undefined;
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
  let metadata: Buffer | undefined;
  let protocolConfig: Buffer | undefined;
  while (reader.nextField()) {
    if (reader.field >= PROCESSING_REQUEST.requestHeaders && reader.field <= PROCESSING_REQUEST.responseTrailers) {
      member = reader.field;
      end = reader.readRange();
      start = reader.position;
      reader.position = end;
    } else if (reader.field === PROCESSING_REQUEST.observabilityMode) observabilityMode = reader.readBool();
    else if (reader.field === PROCESSING_REQUEST.metadataContext) metadata = readNonEmpty(reader);
    else if (reader.field === PROCESSING_REQUEST.protocolConfig) protocolConfig = reader.readBytes();
    else if (reader.field === PROCESSING_REQUEST.attributes) reader.position = reader.readRange();
    else reader.skipField();
  }
  reader.position = start;
  reader.end = end;
  return readMember(reader, member, { source, observabilityMode, metadata, protocolConfig });
}

/** Envoy adds an empty `metadata_context` to every message: no view is made of it. */
function readNonEmpty(reader: ProtobufReader): Buffer | undefined {
  const end = reader.readRange();
  const start = reader.position;
  reader.position = end;
  return end > start ? reader.bytes.subarray(start, end) : undefined;
}

function readMember(reader: ProtobufReader, member: number, context: MessageContext): ProcessingRequest {
  switch (member) {
    case PROCESSING_REQUEST.requestHeaders:
      return readHeaders(reader, "requestHeaders", context);
    case PROCESSING_REQUEST.responseHeaders:
      return readHeaders(reader, "responseHeaders", context);
    case PROCESSING_REQUEST.requestBody:
      return readBody(reader, "requestBody", context);
    case PROCESSING_REQUEST.responseBody:
      return readBody(reader, "responseBody", context);
    case PROCESSING_REQUEST.requestTrailers:
      return readTrailers(reader, "requestTrailers", context);
    case PROCESSING_REQUEST.responseTrailers:
      return readTrailers(reader, "responseTrailers", context);
    default:
      return { kind: "unknown", ...context };
  }
}

function readHeaders(reader: ProtobufReader, kind: HeadersMessage["kind"], context: MessageContext): HeadersMessage {
  let headers = NO_HEADERS;
  let endOfStream = false;
  while (reader.nextField()) {
    if (reader.field === HTTP_HEADERS.headers) headers = readHeaderBytes(reader);
    else if (reader.field === HTTP_HEADERS.endOfStream) endOfStream = reader.readBool();
    else reader.skipField();
  }
  const { source, observabilityMode, metadata, protocolConfig } = context;
  return { kind, headers, endOfStream, source, observabilityMode, metadata, protocolConfig };
}

function readBody(reader: ProtobufReader, kind: BodyMessage["kind"], context: MessageContext): BodyMessage {
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
  const { source, observabilityMode, metadata, protocolConfig } = context;
  const body = source.subarray(start, end);
  return { kind, body, endOfStream, source, observabilityMode, metadata, protocolConfig };
}

function readTrailers(reader: ProtobufReader, kind: TrailersMessage["kind"], context: MessageContext): TrailersMessage {
  let headers = NO_HEADERS;
  while (reader.nextField()) {
    if (reader.field === HTTP_TRAILERS.trailers) headers = readHeaderBytes(reader);
    else reader.skipField();
  }
  const { source, observabilityMode, metadata, protocolConfig } = context;
  return { kind, headers, source, observabilityMode, metadata, protocolConfig };
}

function readHeaderBytes(reader: ProtobufReader): HeaderBytes {
  const end = reader.readRange();
  const headers = new HeaderBytes(reader.bytes, reader.position, end);
  reader.position = end;
  return headers;
}
