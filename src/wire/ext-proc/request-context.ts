/**
 * What a proxy may add to any ProcessingRequest: filter metadata, attributes and its protocol configuration. Most
 * messages have none, so nothing is decoded until it is asked for.
 */
import { ProtobufReader } from "../protobuf/reader.ts";
import { MAP_ENTRY, METADATA, PROCESSING_REQUEST, PROTOCOL_CONFIGURATION } from "./fields.ts";
import type { MessageContext } from "./request-decoder.ts";
import { decodeStruct, type StructObject } from "./struct.ts";

/** What the proxy says in its first message. The modes are `BODY_SEND_MODE` values. */
export interface ProtocolConfig {
  readonly requestBodyMode: number;
  readonly responseBodyMode: number;
  readonly sendBodyWithoutWaitingForHeaderResponse: boolean;
}

/** One namespace of the request's filter metadata; undefined when the message has none of that name. */
export function readFilterMetadata({ metadata }: MessageContext, namespace: string): StructObject | undefined {
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

/** The attributes that the proxy is told to send, by namespace; empty when there are none. Walks over the message. */
export function readAttributes({ source }: MessageContext): Readonly<Record<string, StructObject>> {
  const attributes = Object.create(null) as Record<string, StructObject>;
  const reader = new ProtobufReader(source);
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
export function readProtocolConfig({ protocolConfig }: MessageContext): ProtocolConfig | undefined {
  if (protocolConfig === undefined) return undefined;
  let requestBodyMode = 0;
  let responseBodyMode = 0;
  let sendBodyWithoutWaitingForHeaderResponse = false;
  const reader = new ProtobufReader(protocolConfig);
  while (reader.nextField()) {
    if (reader.field === PROTOCOL_CONFIGURATION.requestBodyMode) requestBodyMode = reader.readUint32();
    else if (reader.field === PROTOCOL_CONFIGURATION.responseBodyMode) responseBodyMode = reader.readUint32();
    else if (reader.field === PROTOCOL_CONFIGURATION.sendBodyWithoutWaitingForHeaderResponse) {
      sendBodyWithoutWaitingForHeaderResponse = reader.readBool();
    } else reader.skipField();
  }
  return { requestBodyMode, responseBodyMode, sendBodyWithoutWaitingForHeaderResponse };
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
