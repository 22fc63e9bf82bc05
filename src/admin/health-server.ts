/**
 * gRPC health on a port of its own, plaintext, as the Go picker has it: kubelets and proxies ask here whether requests
 * are taken. What is answered: health-state.ts.
 */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { ConfigError } from "../base/errors.ts";
import { grpcJsService } from "../platform/grpc-js-service.ts";
import type { AdminServer } from "./admin-server.ts";
import { healthRoutes } from "./health-routes.ts";
import type { HealthState } from "./health-state.ts";

/** A request holds a service's name. */
const REQUEST_SIZE_MAX = 4_096;

/** Throws a ConfigError when the port cannot be had. */
export async function startHealthServer(options: {
  readonly host: string;
  readonly port: number;
  readonly state: HealthState;
}): Promise<AdminServer> {
  const server = new Server({ "grpc.max_receive_message_length": REQUEST_SIZE_MAX });
  const { definition, implementation } = grpcJsService(healthRoutes(options.state).routes);
  server.addService(definition, implementation);
  const port = await bind(server, options);
  const close = async (): Promise<void> => server.forceShutdown();
  return { port, close };
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
