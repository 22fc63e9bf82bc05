/** Messages of gRPC health checking (proto/health.proto): requests are read, answers written. */
import { ProtobufReader } from "./protobuf/reader.ts";
import { ProtobufWriter } from "./protobuf/writer.ts";

export type HealthStatus = "UNKNOWN" | "SERVING" | "NOT_SERVING" | "SERVICE_UNKNOWN";

const STATUS_NUMBERS: Readonly<Record<HealthStatus, number>> = {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
  SERVICE_UNKNOWN: 3,
};

/** The service that a HealthCheckRequest asks for; "" for the program as a whole. Throws a WireError. */
export function decodeHealthRequest(message: Buffer): string {
  const reader = new ProtobufReader(message);
  let service = "";
  while (reader.nextField()) {
    if (reader.field === 1) service = reader.readString();
    else reader.skipField();
  }
  return service;
}

/** A HealthCheckResponse. */
export function encodeHealthResponse(status: HealthStatus): Buffer {
  const writer = new ProtobufWriter(8);
  writer.uint(1, STATUS_NUMBERS[status]);
  return writer.finish();
}

/** A HealthListResponse: a map, which is a repeated pair of key 1 and value 2. */
export function encodeHealthList(statuses: ReadonlyMap<string, HealthStatus>): Buffer {
  const writer = new ProtobufWriter(256);
  for (const [service, status] of [...statuses].reverse()) {
    const end = writer.size;
    writer.bytes(2, encodeHealthResponse(status));
    writer.string(1, service);
    writer.message(1, end);
  }
  return writer.finish();
}
