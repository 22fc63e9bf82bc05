/**
 * The ext_proc messages by protobufjs, from the descriptions in `proto/`: the independent reference that the
 * hand-written codec is held against.
 */
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const root = protobuf.loadSync(
  ["ext_proc.proto", "health.proto"].map((name) => fileURLToPath(new URL(`../../proto/${name}`, import.meta.url))),
);

/** Everything that `proto/` describes. */
export const oracleRoot: protobuf.Root = root;

export interface MessageOracle {
  /** The bytes of a plain object with the field names in camel case. Only fields that are there are written. */
  encode(object: Record<string, unknown>): Buffer;
  /** A plain object of the fields that are there; enums as numbers, oneofs with their member's name. */
  decode(bytes: Uint8Array): Record<string, unknown>;
}

/** Encodes and decodes one message type, by its full name. */
function messageOracle(typeName: string): MessageOracle {
  const type = root.lookupType(typeName);
  return {
    encode: (object) => Buffer.from(type.encode(type.fromObject(object)).finish()),
    decode: (bytes) => type.toObject(type.decode(bytes), { enums: Number, longs: Number }),
  };
}

export const requestOracle: MessageOracle = messageOracle("envoy.service.ext_proc.v3.ProcessingRequest");
export const responseOracle: MessageOracle = messageOracle("envoy.service.ext_proc.v3.ProcessingResponse");
export const structOracle: MessageOracle = messageOracle("google.protobuf.Struct");
export const healthRequestOracle: MessageOracle = messageOracle("grpc.health.v1.HealthCheckRequest");
export const healthResponseOracle: MessageOracle = messageOracle("grpc.health.v1.HealthCheckResponse");
export const healthListOracle: MessageOracle = messageOracle("grpc.health.v1.HealthListResponse");

type PlainValue = null | number | string | boolean | readonly PlainValue[] | { readonly [key: string]: PlainValue };

/** A plain JSON object in the shape of a google.protobuf.Struct. */
export function structShape(object: { readonly [key: string]: PlainValue }): Record<string, unknown> {
  return { fields: Object.fromEntries(Object.entries(object).map(([key, value]) => [key, valueShape(value)])) };
}

function valueShape(value: PlainValue): Record<string, unknown> {
  if (value === null) return { nullValue: 0 };
  if (typeof value === "number") return { numberValue: value };
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(valueShape) } };
  return { structValue: structShape(value as { readonly [key: string]: PlainValue }) };
}
