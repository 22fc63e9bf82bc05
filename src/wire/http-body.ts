/**
 * google.api.HttpBody, a body of HTTP inside of a message, and Vertex AI's requests that hold one
 * (`proto/vertex_prediction.proto`). What breaks the format throws `WireError`.
 */
import { ProtobufReader } from "./protobuf/reader.ts";
import { WireError } from "./wire-error.ts";

/** Fields that are looked at in one message and those inside of it: far more than any client has use for. */
const FIELDS_MAX = 65_536;

/** The HTTP body's bytes in a ChatCompletionsRequest, RawPredictRequest or StreamRawPredictRequest, as a view. */
export function readPredictionRequest(message: Buffer): Buffer | undefined {
  const reader = new ProtobufReader(message);
  let data: Buffer | undefined;
  let fields = 0;
  while (nextField(reader, ++fields)) {
    if (reader.field === 2) {
      const outerEnd = reader.enter();
      data ??= Buffer.alloc(0);
      while (nextField(reader, ++fields)) {
        if (reader.field === 2) data = reader.readBytes();
        else reader.skipField();
      }
      reader.leave(outerEnd);
    } else reader.skipField();
  }
  return data;
}

/** The bytes of an HttpBody, as a view; empty when there are none. */
export function readHttpBody(message: Buffer): Buffer {
  const reader = new ProtobufReader(message);
  let data: Buffer = Buffer.alloc(0);
  let fields = 0;
  while (nextField(reader, ++fields)) {
    if (reader.field === 2) data = reader.readBytes();
    else reader.skipField();
  }
  return data;
}

function nextField(reader: ProtobufReader, fields: number): boolean {
  if (fields > FIELDS_MAX) throw new WireError("limit", `message of more than ${FIELDS_MAX} fields`);
  return reader.nextField();
}
