/**
 * Decodes what a picker answers: ProcessingResponse messages, for the development proxy, load generators and tests.
 * Eager, since a proxy acts on all of it; bodies and header values are views into the message.
 *
 * The rules are those of `request-decoder.ts`: the last member of a oneof wins, unknown fields are skipped, and a
 * member that stands twice is replaced, not merged.
 */
import { bufferOver, ProtobufReader } from "../protobuf/reader.ts";
import {
  BODY_MUTATION,
  COMMON_RESPONSE,
  GRPC_STATUS,
  HTTP_STATUS,
  IMMEDIATE_RESPONSE,
  PART_RESPONSE,
  PROCESSING_MODE,
  PROCESSING_RESPONSE,
  STREAMED_BODY_RESPONSE,
  TRAILERS_RESPONSE,
} from "./fields.ts";
import {
  NO_HEADER_MUTATION,
  type ReceivedHeader,
  type ReceivedHeaderMutation,
  readHeaderMap,
  readHeaderMutation,
} from "./header-mutation-decoder.ts";
import type { ProcessingMode } from "./response-encoder.ts";
import { decodeStruct, type StructObject } from "./struct.ts";

export type ProcessingResponse = ResponseContext &
  (
    | {
        readonly kind: "requestHeaders" | "responseHeaders" | "requestBody" | "responseBody";
        readonly common: CommonResponse;
      }
    | { readonly kind: "requestTrailers" | "responseTrailers"; readonly headerMutation: ReceivedHeaderMutation }
    | { readonly kind: "immediateResponse"; readonly immediate: ImmediateResponse }
    | { readonly kind: "streamedImmediateResponse" }
    | { readonly kind: "unknown" }
  );

interface ResponseContext {
  readonly dynamicMetadata: StructObject | undefined;
  readonly modeOverride: Required<ProcessingMode> | undefined;
}

export interface CommonResponse {
  /** A `RESPONSE_STATUS` value. */
  readonly status: number;
  readonly headerMutation: ReceivedHeaderMutation;
  readonly bodyMutation: ReceivedBodyMutation | undefined;
  readonly trailers: readonly ReceivedHeader[];
  readonly clearRouteCache: boolean;
}

export type ReceivedBodyMutation =
  | { readonly kind: "replace"; readonly body: Buffer }
  | { readonly kind: "clear"; readonly clear: boolean }
  | { readonly kind: "streamed"; readonly body: Buffer; readonly endOfStream: boolean };

export interface ImmediateResponse {
  /** 0 when absent. */
  readonly status: number;
  readonly headers: ReceivedHeaderMutation;
  readonly body: Buffer;
  readonly grpcStatus: number | undefined;
  readonly details: string;
}

/** Decodes one message. Shares its memory with the result. Throws `WireError` when it is malformed. */
export function decodeProcessingResponse(message: Uint8Array): ProcessingResponse {
  const reader = new ProtobufReader(bufferOver(message));
  let member: ResponseMember = { kind: "unknown" };
  let dynamicMetadata: StructObject | undefined;
  let modeOverride: Required<ProcessingMode> | undefined;
  while (reader.nextField()) {
    if (reader.field === PROCESSING_RESPONSE.dynamicMetadata) dynamicMetadata = decodeStruct(reader.readBytes());
    else if (reader.field === PROCESSING_RESPONSE.modeOverride) modeOverride = reader.inside(readProcessingMode);
    else member = readMember(reader, member);
  }
  return { ...member, dynamicMetadata, modeOverride };
}

type ResponseMember = ProcessingResponse extends infer Response
  ? Response extends unknown
    ? Omit<Response, keyof ResponseContext>
    : never
  : never;

/** The member of the oneof that the current field is; any other field leaves the previous one. */
function readMember(reader: ProtobufReader, previous: ResponseMember): ResponseMember {
  switch (reader.field) {
    case PROCESSING_RESPONSE.requestHeaders:
      return { kind: "requestHeaders", common: reader.inside(readPartResponse) };
    case PROCESSING_RESPONSE.responseHeaders:
      return { kind: "responseHeaders", common: reader.inside(readPartResponse) };
    case PROCESSING_RESPONSE.requestBody:
      return { kind: "requestBody", common: reader.inside(readPartResponse) };
    case PROCESSING_RESPONSE.responseBody:
      return { kind: "responseBody", common: reader.inside(readPartResponse) };
    case PROCESSING_RESPONSE.requestTrailers:
      return { kind: "requestTrailers", headerMutation: reader.inside(readTrailersResponse) };
    case PROCESSING_RESPONSE.responseTrailers:
      return { kind: "responseTrailers", headerMutation: reader.inside(readTrailersResponse) };
    case PROCESSING_RESPONSE.immediateResponse:
      return { kind: "immediateResponse", immediate: reader.inside(readImmediateResponse) };
    case PROCESSING_RESPONSE.streamedImmediateResponse:
      reader.position = reader.readRange();
      return { kind: "streamedImmediateResponse" };
    default:
      reader.skipField();
      return previous;
  }
}

function readPartResponse(reader: ProtobufReader): CommonResponse {
  let common = NO_COMMON_RESPONSE;
  while (reader.nextField()) {
    if (reader.field === PART_RESPONSE.response) common = reader.inside(readCommonResponse);
    else reader.skipField();
  }
  return common;
}

function readCommonResponse(reader: ProtobufReader): CommonResponse {
  let { status, headerMutation, bodyMutation, trailers, clearRouteCache } = NO_COMMON_RESPONSE;
  while (reader.nextField()) {
    if (reader.field === COMMON_RESPONSE.status) status = reader.readUint32();
    else if (reader.field === COMMON_RESPONSE.headerMutation) headerMutation = reader.inside(readHeaderMutation);
    else if (reader.field === COMMON_RESPONSE.bodyMutation) bodyMutation = reader.inside(readBodyMutation);
    else if (reader.field === COMMON_RESPONSE.trailers) trailers = reader.inside(readHeaderMap);
    else if (reader.field === COMMON_RESPONSE.clearRouteCache) clearRouteCache = reader.readBool();
    else reader.skipField();
  }
  return { status, headerMutation, bodyMutation, trailers, clearRouteCache };
}

function readTrailersResponse(reader: ProtobufReader): ReceivedHeaderMutation {
  let headerMutation = NO_HEADER_MUTATION;
  while (reader.nextField()) {
    if (reader.field === TRAILERS_RESPONSE.headerMutation) headerMutation = reader.inside(readHeaderMutation);
    else reader.skipField();
  }
  return headerMutation;
}

function readBodyMutation(reader: ProtobufReader): ReceivedBodyMutation | undefined {
  let mutation: ReceivedBodyMutation | undefined;
  while (reader.nextField()) {
    if (reader.field === BODY_MUTATION.body) mutation = { kind: "replace", body: reader.readBytes() };
    else if (reader.field === BODY_MUTATION.clearBody) mutation = { kind: "clear", clear: reader.readBool() };
    else if (reader.field === BODY_MUTATION.streamedResponse) mutation = reader.inside(readStreamedBody);
    else reader.skipField();
  }
  return mutation;
}

function readStreamedBody(reader: ProtobufReader): ReceivedBodyMutation {
  let body: Buffer = NO_BYTES;
  let endOfStream = false;
  while (reader.nextField()) {
    if (reader.field === STREAMED_BODY_RESPONSE.body) body = reader.readBytes();
    else if (reader.field === STREAMED_BODY_RESPONSE.endOfStream) endOfStream = reader.readBool();
    else reader.skipField();
  }
  return { kind: "streamed", body, endOfStream };
}

function readImmediateResponse(reader: ProtobufReader): ImmediateResponse {
  let status = 0;
  let headers = NO_HEADER_MUTATION;
  let body: Buffer = NO_BYTES;
  let grpcStatus: number | undefined;
  let details = "";
  while (reader.nextField()) {
    if (reader.field === IMMEDIATE_RESPONSE.status) status = reader.inside(readHttpStatus);
    else if (reader.field === IMMEDIATE_RESPONSE.headers) headers = reader.inside(readHeaderMutation);
    else if (reader.field === IMMEDIATE_RESPONSE.body) body = reader.readBytes();
    else if (reader.field === IMMEDIATE_RESPONSE.grpcStatus) grpcStatus = reader.inside(readGrpcStatus);
    else if (reader.field === IMMEDIATE_RESPONSE.details) details = reader.readString();
    else reader.skipField();
  }
  return { status, headers, body, grpcStatus, details };
}

function readHttpStatus(reader: ProtobufReader): number {
  let code = 0;
  while (reader.nextField()) {
    if (reader.field === HTTP_STATUS.code) code = reader.readUint32();
    else reader.skipField();
  }
  return code;
}

function readGrpcStatus(reader: ProtobufReader): number {
  let status = 0;
  while (reader.nextField()) {
    if (reader.field === GRPC_STATUS.status) status = reader.readUint32();
    else reader.skipField();
  }
  return status;
}

function readProcessingMode(reader: ProtobufReader): Required<ProcessingMode> {
  const modes = new Array<number>(PROCESSING_MODE.responseTrailerMode + 1).fill(0);
  while (reader.nextField()) {
    if (reader.field < modes.length) modes[reader.field] = reader.readUint32();
    else reader.skipField();
  }
  const mode = (field: number): number => modes[field] ?? 0;
  return {
    requestHeaderMode: mode(PROCESSING_MODE.requestHeaderMode),
    responseHeaderMode: mode(PROCESSING_MODE.responseHeaderMode),
    requestBodyMode: mode(PROCESSING_MODE.requestBodyMode),
    responseBodyMode: mode(PROCESSING_MODE.responseBodyMode),
    requestTrailerMode: mode(PROCESSING_MODE.requestTrailerMode),
    responseTrailerMode: mode(PROCESSING_MODE.responseTrailerMode),
  };
}

const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_COMMON_RESPONSE: CommonResponse = {
  status: 0,
  headerMutation: NO_HEADER_MUTATION,
  bodyMutation: undefined,
  trailers: [],
  clearRouteCache: false,
};
