/**
 * gRPC health (`grpc.health.v1.Health/Check`) on a port of its own, plaintext, as the Go picker has it. Any service
 * name gets the same answer: SERVING once the picker takes requests, NOT_SERVING while it starts or drains.
 */
import { Server, ServerCredentials, type sendUnaryData } from "@grpc/grpc-js";
import { ConfigError } from "../base/errors.ts";
import { ProtobufWriter } from "../wire/protobuf/writer.ts";
import type { AdminServer } from "./admin-server.ts";

const STATUS_FIELD = 1;
const SERVING = 1;
const NOT_SERVING = 2;

const CHECK_METHOD = {
  path: "/grpc.health.v1.Health/Check",
  requestStream: false,
  responseStream: false,
  requestSerialize: (message: Buffer): Buffer => message,
  requestDeserialize: (bytes: Buffer): Buffer => bytes,
  responseSerialize: (message: Buffer): Buffer => message,
  responseDeserialize: (bytes: Buffer): Buffer => bytes,
} as const;

/** Throws a ConfigError when the port cannot be had. */
export async function startHealthServer(options: {
  readonly host: string;
  readonly port: number;
  readonly isServing: () => boolean;
}): Promise<AdminServer> {
  const server = new Server();
  server.addService(
    { check: CHECK_METHOD },
    { check: (_call: unknown, answer: sendUnaryData<Buffer>) => answer(null, encodeStatus(options.isServing())) },
  );
  const port = await bind(server, options);
  const close = async (): Promise<void> => server.forceShutdown();
  return { port, close };
}

function encodeStatus(isServing: boolean): Buffer {
  const writer = new ProtobufWriter(8);
  writer.uint(STATUS_FIELD, isServing ? SERVING : NOT_SERVING);
  return writer.finish();
}

function bind(server: Server, { host, port }: { host: string; port: number }): Promise<number> {
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) return resolve(boundPort);
      reject(
        new ConfigError(`cannot listen on ${address}: ${error.message}; choose another port with --grpc-health-port`, {
          cause: error,
        }),
      );
    });
  });
}
