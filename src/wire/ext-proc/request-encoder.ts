/**
 * Encodes what a proxy sends: ProcessingRequest messages, for the development proxy, load generators and tests. Headers
 * go as `raw_value` unless a header says otherwise.
 */
import { ProtobufWriter } from "../protobuf/writer.ts";
import {
  HTTP_BODY,
  HTTP_HEADERS,
  HTTP_TRAILERS,
  MAP_ENTRY,
  METADATA,
  PROCESSING_REQUEST,
  PROTOCOL_CONFIGURATION,
} from "./fields.ts";
import { type HeaderPair, writeHeaderMap } from "./header-map.ts";
import type { ProtocolConfig } from "./request-context.ts";
import { type StructObject, writeStruct } from "./struct.ts";

export type ProcessingRequestInput = RequestExtras &
  (
    | {
        readonly kind: "requestHeaders" | "responseHeaders";
        readonly headers: readonly HeaderPair[];
        readonly endOfStream?: boolean;
      }
    | {
        readonly kind: "requestBody" | "responseBody";
        readonly body: Uint8Array;
        readonly endOfStream?: boolean;
      }
    | { readonly kind: "requestTrailers" | "responseTrailers"; readonly headers: readonly HeaderPair[] }
  );

/** What any message may carry. */
export interface RequestExtras {
  /** Filter metadata by namespace. */
  readonly metadataContext?: Readonly<Record<string, StructObject>>;
  readonly attributes?: Readonly<Record<string, StructObject>>;
  readonly observabilityMode?: boolean;
  readonly protocolConfig?: Partial<ProtocolConfig>;
}

/** Tags and lengths of a body message, rounded up, and room for the headers of a usual request. */
const FRAME_SIZE = 32;
const HEADERS_SIZE = 1024;

/** The bytes of one ProcessingRequest. Copies a body once. */
export function encodeProcessingRequest(input: ProcessingRequestInput): Buffer {
  const writer = new ProtobufWriter("body" in input ? FRAME_SIZE + input.body.length : HEADERS_SIZE);
  writeExtras(writer, input);
  const end = writer.size;
  switch (input.kind) {
    case "requestHeaders":
    case "responseHeaders":
      if (input.endOfStream === true) writer.bool(HTTP_HEADERS.endOfStream, true);
      writeHeaderMapField(writer, HTTP_HEADERS.headers, input.headers);
      break;
    case "requestBody":
    case "responseBody":
      if (input.endOfStream === true) writer.bool(HTTP_BODY.endOfStream, true);
      if (input.body.length > 0) writer.bytes(HTTP_BODY.body, input.body);
      break;
    default:
      writeHeaderMapField(writer, HTTP_TRAILERS.trailers, input.headers);
  }
  writer.message(PROCESSING_REQUEST[input.kind], end);
  return writer.finish();
}

function writeHeaderMapField(writer: ProtobufWriter, field: number, headers: readonly HeaderPair[]): void {
  const end = writer.size;
  writeHeaderMap(writer, headers);
  writer.message(field, end);
}

function writeExtras(writer: ProtobufWriter, extras: RequestExtras): void {
  if (extras.protocolConfig !== undefined) writeProtocolConfig(writer, extras.protocolConfig);
  if (extras.observabilityMode === true) writer.bool(PROCESSING_REQUEST.observabilityMode, true);
  if (extras.attributes !== undefined) writeStructMap(writer, PROCESSING_REQUEST.attributes, extras.attributes);
  if (extras.metadataContext === undefined) return;
  const end = writer.size;
  writeStructMap(writer, METADATA.filterMetadata, extras.metadataContext);
  writer.message(PROCESSING_REQUEST.metadataContext, end);
}

function writeProtocolConfig(writer: ProtobufWriter, config: Partial<ProtocolConfig>): void {
  const { requestBodyMode = 0, responseBodyMode = 0, sendBodyWithoutWaitingForHeaderResponse = false } = config;
  const end = writer.size;
  if (sendBodyWithoutWaitingForHeaderResponse) {
    writer.bool(PROTOCOL_CONFIGURATION.sendBodyWithoutWaitingForHeaderResponse, true);
  }
  if (responseBodyMode !== 0) writer.uint(PROTOCOL_CONFIGURATION.responseBodyMode, responseBodyMode);
  if (requestBodyMode !== 0) writer.uint(PROTOCOL_CONFIGURATION.requestBodyMode, requestBodyMode);
  writer.message(PROCESSING_REQUEST.protocolConfig, end);
}

function writeStructMap(writer: ProtobufWriter, field: number, map: Readonly<Record<string, StructObject>>): void {
  for (const [key, value] of Object.entries(map).reverse()) {
    const end = writer.size;
    writeStruct(writer, value);
    writer.message(MAP_ENTRY.value, end);
    writer.string(MAP_ENTRY.key, key);
    writer.message(field, end);
  }
}
