/**
 * Messages of the gRPC services that the picker reads, by protobufjs, from the descriptions in `proto/`: the
 * independent reference for the hand-written readers. And the frames that they travel in.
 */
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const root = protobuf.loadSync(
  ["vllm_engine.proto", "vertex_prediction.proto"].map((name) =>
    fileURLToPath(new URL(`../../proto/${name}`, import.meta.url)),
  ),
);

const VLLM = "vllm.grpc.engine";
const VERTEX = "google.cloud.aiplatform.v1beta1";

/** Encodes a message of vLLM's service. */
export function vllmMessage(type: string, fields: object): Buffer {
  return encode(`${VLLM}.${type}`, fields);
}

/** Encodes a message of Vertex AI's service. */
export function vertexMessage(type: string, fields: object): Buffer {
  return encode(`${VERTEX}.${type}`, fields);
}

export function httpBodyMessage(data: string | Buffer): Buffer {
  return encode("google.api.HttpBody", { contentType: "application/json", data: Buffer.from(data) });
}

/** The message in a gRPC frame. */
export function grpcFrame(message: Buffer, flags = 0): Buffer {
  const head = Buffer.from([flags, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function encode(type: string, fields: object): Buffer {
  const message = root.lookupType(type);
  return Buffer.from(message.encode(message.fromObject(fields as Record<string, unknown>)).finish());
}
