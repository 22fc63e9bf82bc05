/**
 * Encodes what a picker answers: one function per kind of ProcessingResponse, each one pass into one buffer. Headers
 * are sent as `raw_value`. In body mode FULL_DUPLEX_STREAMED a body is answered by `encodeStreamedBodyResponse` alone,
 * or without a copy by `streamed-body-encoder.ts`; the other body answers serve proxies that buffer.
 */
import { ProtobufWriter } from "../protobuf/writer.ts";
import {
  BODY_MUTATION,
  BOOL_VALUE,
  COMMON_RESPONSE,
  GRPC_STATUS,
  HEADER_MUTATION,
  HEADER_VALUE_OPTION,
  HTTP_STATUS,
  IMMEDIATE_RESPONSE,
  PART_RESPONSE,
  PROCESSING_MODE,
  PROCESSING_RESPONSE,
  STREAMED_BODY_RESPONSE,
  TRAILERS_RESPONSE,
} from "./fields.ts";
import { type HeaderPair, writeHeaderMap, writeHeaderValue } from "./header-map.ts";
import { type StructObject, writeStruct } from "./struct.ts";

/** The half of an exchange that is answered. */
export type Phase = "request" | "response";

/** A header to be set. Without `append` and `appendAction` it overwrites. */
export interface HeaderSetting extends HeaderPair {
  readonly append?: boolean;
  /** A `HEADER_APPEND_ACTION` value; goes before `append`. */
  readonly appendAction?: number;
  readonly keepEmptyValue?: boolean;
}

/** Removals are applied before settings. */
export interface HeaderMutation {
  readonly setHeaders?: readonly HeaderSetting[];
  readonly removeHeaders?: readonly string[];
}

/** What any answer may carry. */
export interface ResponseExtras {
  /** By namespace, or the bytes that `encodeStruct` made of that. */
  readonly dynamicMetadata?: StructObject | Uint8Array;
  readonly modeOverride?: ProcessingMode;
}

/** For headers and trailers 0 as configured, 1 send, 2 skip; for bodies `BODY_SEND_MODE` values. Absent is 0. */
export interface ProcessingMode {
  readonly requestHeaderMode?: number;
  readonly responseHeaderMode?: number;
  readonly requestBodyMode?: number;
  readonly responseBodyMode?: number;
  readonly requestTrailerMode?: number;
  readonly responseTrailerMode?: number;
}

export interface CommonAnswer extends HeaderMutation, ResponseExtras {
  /** A `RESPONSE_STATUS` value; absent is "continue". */
  readonly status?: number;
  readonly bodyMutation?: BodyMutation;
  /** Trailers to be added; honoured with `continueAndReplace` only. */
  readonly trailers?: readonly HeaderPair[];
  readonly clearRouteCache?: boolean;
}

export type BodyMutation =
  | { readonly kind: "replace"; readonly body: Uint8Array }
  | { readonly kind: "clear"; readonly clear: boolean }
  | { readonly kind: "streamed"; readonly body: Uint8Array | readonly Uint8Array[]; readonly endOfStream: boolean };

export interface ImmediateAnswer extends HeaderMutation, ResponseExtras {
  /** HTTP status for the client. */
  readonly status: number;
  /** UTF-8: agentgateway drops answers that are not. */
  readonly body?: string | Uint8Array;
  readonly grpcStatus?: number;
  /** For the proxy's log. */
  readonly details?: string;
}

/** Answers RequestHeaders or ResponseHeaders. */
export function encodeHeadersResponse(phase: Phase, answer: CommonAnswer): Buffer {
  const field = phase === "request" ? PROCESSING_RESPONSE.requestHeaders : PROCESSING_RESPONSE.responseHeaders;
  return encodeCommonResponse(field, answer);
}

/** Answers a body in a mode that waits for answers: replaced, cleared or, without a mutation, as it was. */
export function encodeBodyResponse(phase: Phase, answer: CommonAnswer): Buffer {
  const field = phase === "request" ? PROCESSING_RESPONSE.requestBody : PROCESSING_RESPONSE.responseBody;
  return encodeCommonResponse(field, answer);
}

/** Sends the next piece of a body on; a list is joined. Copies the bytes once, into the message. */
export function encodeStreamedBodyResponse(
  phase: Phase,
  body: Uint8Array | readonly Uint8Array[],
  endOfStream: boolean,
  extras?: ResponseExtras,
): Buffer {
  const writer = new ProtobufWriter(FRAME_SIZE + piecesSize(body));
  if (extras !== undefined) writeExtras(writer, extras);
  const end = writer.size;
  writeStreamedBody(writer, body, endOfStream);
  writer.message(COMMON_RESPONSE.bodyMutation, end);
  writer.message(PART_RESPONSE.response, end);
  writer.message(phase === "request" ? PROCESSING_RESPONSE.requestBody : PROCESSING_RESPONSE.responseBody, end);
  return writer.finish();
}

/** Answers trailers. */
export function encodeTrailersResponse(phase: Phase, answer: HeaderMutation & ResponseExtras = {}): Buffer {
  const writer = new ProtobufWriter(FRAME_SIZE + headerMutationSize(answer));
  writeExtras(writer, answer);
  const end = writer.size;
  writeHeaderMutation(writer, TRAILERS_RESPONSE.headerMutation, answer);
  writer.message(phase === "request" ? PROCESSING_RESPONSE.requestTrailers : PROCESSING_RESPONSE.responseTrailers, end);
  return writer.finish();
}

/** Ends the exchange with an answer of the picker's own. */
export function encodeImmediateResponse(answer: ImmediateAnswer): Buffer {
  const body = answer.body ?? "";
  const writer = new ProtobufWriter(FRAME_SIZE + headerMutationSize(answer) + 2 * body.length);
  writeExtras(writer, answer);
  const end = writer.size;
  if (answer.details !== undefined && answer.details !== "") {
    writer.string(IMMEDIATE_RESPONSE.details, answer.details);
  }
  if (answer.grpcStatus !== undefined) {
    writeUintMessage(writer, IMMEDIATE_RESPONSE.grpcStatus, GRPC_STATUS.status, answer.grpcStatus);
  }
  if (body.length > 0) {
    if (typeof body === "string") writer.string(IMMEDIATE_RESPONSE.body, body);
    else writer.bytes(IMMEDIATE_RESPONSE.body, body);
  }
  writeHeaderMutation(writer, IMMEDIATE_RESPONSE.headers, answer);
  writeUintMessage(writer, IMMEDIATE_RESPONSE.status, HTTP_STATUS.code, answer.status);
  writer.message(PROCESSING_RESPONSE.immediateResponse, end);
  return writer.finish();
}

/** Tags and lengths around the content of the largest answer without metadata, rounded up. */
const FRAME_SIZE = 128;
/** The same around one header. */
const HEADER_FRAME_SIZE = 16;

function encodeCommonResponse(field: number, answer: CommonAnswer): Buffer {
  const writer = new ProtobufWriter(FRAME_SIZE + headerMutationSize(answer) + bodyMutationSize(answer.bodyMutation));
  writeExtras(writer, answer);
  const end = writer.size;
  if (answer.clearRouteCache === true) writer.bool(COMMON_RESPONSE.clearRouteCache, true);
  if (answer.trailers !== undefined) {
    const trailersEnd = writer.size;
    writeHeaderMap(writer, answer.trailers);
    writer.message(COMMON_RESPONSE.trailers, trailersEnd);
  }
  if (answer.bodyMutation !== undefined) writeBodyMutation(writer, answer.bodyMutation);
  writeHeaderMutation(writer, COMMON_RESPONSE.headerMutation, answer);
  if (answer.status !== undefined && answer.status !== 0) writer.uint(COMMON_RESPONSE.status, answer.status);
  writer.message(PART_RESPONSE.response, end);
  writer.message(field, end);
  return writer.finish();
}

function writeExtras(writer: ProtobufWriter, { dynamicMetadata, modeOverride }: ResponseExtras): void {
  if (modeOverride !== undefined) writeProcessingMode(writer, modeOverride);
  if (dynamicMetadata === undefined) return;
  const end = writer.size;
  if (dynamicMetadata instanceof Uint8Array) writer.raw(dynamicMetadata);
  else writeStruct(writer, dynamicMetadata);
  writer.message(PROCESSING_RESPONSE.dynamicMetadata, end);
}

/** Highest field first, as the writer wants it. */
const PROCESSING_MODE_FIELDS = [
  "responseTrailerMode",
  "requestTrailerMode",
  "responseBodyMode",
  "requestBodyMode",
  "responseHeaderMode",
  "requestHeaderMode",
] as const;

function writeProcessingMode(writer: ProtobufWriter, mode: ProcessingMode): void {
  const end = writer.size;
  for (const name of PROCESSING_MODE_FIELDS) {
    const value = mode[name] ?? 0;
    if (value !== 0) writer.uint(PROCESSING_MODE[name], value);
  }
  writer.message(PROCESSING_RESPONSE.modeOverride, end);
}

/** Writes nothing when there is nothing to change. */
function writeHeaderMutation(writer: ProtobufWriter, field: number, mutation: HeaderMutation): void {
  const { setHeaders = NO_SETTINGS, removeHeaders = NO_NAMES } = mutation;
  if (setHeaders.length === 0 && removeHeaders.length === 0) return;
  const end = writer.size;
  for (let index = removeHeaders.length - 1; index >= 0; index--) {
    writer.string(HEADER_MUTATION.removeHeaders, removeHeaders[index] as string);
  }
  for (let index = setHeaders.length - 1; index >= 0; index--) {
    writeHeaderSetting(writer, setHeaders[index] as HeaderSetting);
  }
  writer.message(field, end);
}

const NO_SETTINGS: readonly HeaderSetting[] = [];
const NO_NAMES: readonly string[] = [];

function writeHeaderSetting(writer: ProtobufWriter, setting: HeaderSetting): void {
  const end = writer.size;
  if (setting.keepEmptyValue === true) writer.bool(HEADER_VALUE_OPTION.keepEmptyValue, true);
  if (setting.appendAction !== undefined && setting.appendAction !== 0) {
    writer.uint(HEADER_VALUE_OPTION.appendAction, setting.appendAction);
  }
  if (setting.append !== undefined) {
    const appendEnd = writer.size;
    if (setting.append) writer.bool(BOOL_VALUE.value, true);
    writer.message(HEADER_VALUE_OPTION.append, appendEnd);
  }
  const headerEnd = writer.size;
  writeHeaderValue(writer, setting);
  writer.message(HEADER_VALUE_OPTION.header, headerEnd);
  writer.message(HEADER_MUTATION.setHeaders, end);
}

function writeBodyMutation(writer: ProtobufWriter, mutation: BodyMutation): void {
  const end = writer.size;
  if (mutation.kind === "replace") writer.bytes(BODY_MUTATION.body, mutation.body);
  else if (mutation.kind === "clear") writer.bool(BODY_MUTATION.clearBody, mutation.clear);
  else writeStreamedBody(writer, mutation.body, mutation.endOfStream);
  writer.message(COMMON_RESPONSE.bodyMutation, end);
}

function writeStreamedBody(
  writer: ProtobufWriter,
  body: Uint8Array | readonly Uint8Array[],
  endOfStream: boolean,
): void {
  const end = writer.size;
  if (endOfStream) writer.bool(STREAMED_BODY_RESPONSE.endOfStream, true);
  writePieces(writer, body);
  writer.message(BODY_MUTATION.streamedResponse, end);
}

/** An empty body is left out, as proto3 does. */
function writePieces(writer: ProtobufWriter, body: Uint8Array | readonly Uint8Array[]): void {
  const end = writer.size;
  if (body instanceof Uint8Array) writer.raw(body);
  else for (let index = body.length - 1; index >= 0; index--) writer.raw(body[index] as Uint8Array);
  if (writer.size > end) writer.message(STREAMED_BODY_RESPONSE.body, end);
}

function writeUintMessage(writer: ProtobufWriter, field: number, innerField: number, value: number): void {
  const end = writer.size;
  if (value !== 0) writer.uint(innerField, value);
  writer.message(field, end);
}

/** Bytes that a mutation takes when its strings are ASCII: what the writer is told to expect. */
function headerMutationSize(mutation: HeaderMutation): number {
  let size = 0;
  for (const setting of mutation.setHeaders ?? NO_SETTINGS) {
    size += HEADER_FRAME_SIZE + setting.name.length + setting.value.length;
  }
  for (const name of mutation.removeHeaders ?? NO_NAMES) size += HEADER_FRAME_SIZE + name.length;
  return size;
}

function bodyMutationSize(mutation: BodyMutation | undefined): number {
  if (mutation === undefined || mutation.kind === "clear") return 0;
  return piecesSize(mutation.body);
}

function piecesSize(body: Uint8Array | readonly Uint8Array[]): number {
  if (body instanceof Uint8Array) return body.length;
  let size = 0;
  for (const piece of body) size += piece.length;
  return size;
}
