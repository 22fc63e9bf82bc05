/**
 * What a proxy may add to any ProcessingRequest: filter metadata, attributes and its protocol configuration. Most
 * messages have none, so nothing is decoded until it is asked for; each call walks over the message's few fields.
 */
import { ProtobufReader } from "../protobuf/reader.ts";
import { MAP_ENTRY, METADATA, PROCESSING_REQUEST, PROTOCOL_CONFIGURATION } from "./fields.ts";
import type { ProcessingRequest } from "./request-decoder.ts";
import { decodeStruct, type StructObject } from "./struct.ts";

/** What the proxy says in its first message. The modes are `BODY_SEND_MODE` values. */
export interface ProtocolConfig {
  readonly requestBodyMode: number;
  readonly responseBodyMode: number;
  readonly sendBodyWithoutWaitingForHeaderResponse: boolean;
}

/** One namespace of the request's filter metadata; undefined when the message has none of that name. */
export function readFilterMetadata(message: ProcessingRequest, namespace: string): StructObject | undefined {
  const metadata = findField(message.source, PROCESSING_REQUEST.metadataContext);
  if (metadata === undefined) return undefined;
  const reader = new ProtobufReader(metadata);
  let found: Buffer | undefined;
  while (reader.nextField()) {
    if (reader.field !== METADATA.filterMetadata) {
      reader.skipField();
      continue;
    }
    const entry = readMapEntry(reader);
    if (entry.key === namespace) found = entry.value;
  }
  return found === undefined ? undefined : decodeStruct(found);
}

/** The attributes that the proxy is told to send, by namespace; empty when there are none. */
export function readAttributes(message: ProcessingRequest): Readonly<Record<string, StructObject>> {
  const attributes = Object.create(null) as Record<string, StructObject>;
  const reader = new ProtobufReader(message.source);
  while (reader.nextField()) {
    if (reader.field !== PROCESSING_REQUEST.attributes) {
      reader.skipField();
      continue;
    }
    const entry = readMapEntry(reader);
    attributes[entry.key] = decodeStruct(entry.value);
  }
  return attributes;
}

/** What the proxy is configured to send; undefined in all messages but a stream's first, and from older proxies. */
export function readProtocolConfig(message: ProcessingRequest): ProtocolConfig | undefined {
  const bytes = findField(message.source, PROCESSING_REQUEST.protocolConfig);
  if (bytes === undefined) return undefined;
  let requestBodyMode = 0;
  let responseBodyMode = 0;
  let sendBodyWithoutWaitingForHeaderResponse = false;
  const reader = new ProtobufReader(bytes);
  while (reader.nextField()) {
    if (reader.field === PROTOCOL_CONFIGURATION.requestBodyMode) requestBodyMode = reader.readUint32();
    else if (reader.field === PROTOCOL_CONFIGURATION.responseBodyMode) responseBodyMode = reader.readUint32();
    else if (reader.field === PROTOCOL_CONFIGURATION.sendBodyWithoutWaitingForHeaderResponse) {
      sendBodyWithoutWaitingForHeaderResponse = reader.readBool();
    } else reader.skipField();
  }
  return { requestBodyMode, responseBodyMode, sendBodyWithoutWaitingForHeaderResponse };
}

/** The last occurrence of a length-delimited field of the message. */
function findField(message: Buffer, field: number): Buffer | undefined {
  const reader = new ProtobufReader(message);
  let found: Buffer | undefined;
  while (reader.nextField()) {
    if (reader.field === field) found = reader.readBytes();
    else reader.skipField();
  }
  return found;
}

function readMapEntry(reader: ProtobufReader): { readonly key: string; readonly value: Buffer } {
  const outerEnd = reader.enter();
  let key = "";
  let value: Buffer = NO_BYTES;
  while (reader.nextField()) {
    if (reader.field === MAP_ENTRY.key) key = reader.readString();
    else if (reader.field === MAP_ENTRY.value) value = reader.readBytes();
    else reader.skipField();
  }
  reader.leave(outerEnd);
  return { key, value };
}

const NO_BYTES: Buffer = Buffer.alloc(0);
