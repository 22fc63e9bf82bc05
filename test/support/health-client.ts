/** Asks gRPC health (`grpc.health.v1.Health/Check`) as a kubelet does. */
import { Client, credentials } from "@grpc/grpc-js";

const NAMES = ["UNKNOWN", "SERVING", "NOT_SERVING"] as const;

/** The status, or the gRPC error's text when there is no answer. Over TLS if told so, whoever is there. */
export async function checkHealth(
  port: number,
  { isSecure = false }: { readonly isSecure?: boolean } = {},
): Promise<string> {
  const security = isSecure
    ? credentials.createSsl(null, null, null, { rejectUnauthorized: false })
    : credentials.createInsecure();
  const client = new Client(`127.0.0.1:${port}`, security, { "grpc.use_local_subchannel_pool": 1 });
  try {
    return await new Promise((resolve) => {
      client.makeUnaryRequest("/grpc.health.v1.Health/Check", asIs, asIs, Buffer.alloc(0), (error, answer) => {
        resolve(error === null ? readStatus(answer) : error.message);
      });
    });
  } finally {
    client.close();
  }
}

/** HealthCheckResponse has one field, `status` = 1. */
function readStatus(answer: Buffer | undefined): string {
  return answer?.[0] === 0x08 ? (NAMES[answer[1] ?? 0] ?? "malformed") : "malformed";
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
