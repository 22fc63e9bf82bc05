/**
 * The least that a picker on grpc-js can be: it takes the messages of an exchange as bytes and answers each with fixed
 * bytes, as many and as large as a picker's. No prompt is read, no endpoint is known. What a picker costs beyond it is
 * its own; what it costs itself is grpc-js and Node's HTTP/2.
 */
import type { Http2Server, ServerHttp2Session } from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import {
  announceEnd,
  type Connection,
  STREAMS_PER_CONNECTION_MAX,
} from "../../src/extproc/transport/connection-end.ts";
import { BareExchange } from "./bare-answers.ts";

export interface BareServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface BareServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /**
   * After so many a client is told to open a new connection: as a picker does when absent, since Node takes 1,000
   * resets of one.
   */
  readonly streamsPerConnectionMax?: number;
}

const PROCESS_METHOD = {
  path: "/envoy.service.ext_proc.v3.ExternalProcessor/Process",
  requestStream: true,
  responseStream: true,
  requestSerialize: (message: Buffer): Buffer => message,
  requestDeserialize: (bytes: Buffer): Buffer => bytes,
  responseSerialize: (message: Buffer): Buffer => message,
  responseDeserialize: (bytes: Buffer): Buffer => bytes,
} as const;

/** Listens on the loopback interface. */
export async function startBareServer(options: BareServerOptions): Promise<BareServer> {
  const { port, streamsPerConnectionMax = STREAMS_PER_CONNECTION_MAX } = options;
  const grpcServer = new Server({
    "grpc.max_receive_message_length": -1,
    "grpc-node.max_session_memory": Number.MAX_SAFE_INTEGER,
  });
  grpcServer.addService({ process: PROCESS_METHOD }, { process: serve });
  const injector = grpcServer.createConnectionInjector(ServerCredentials.createInsecure());
  const http2Servers = Reflect.get(grpcServer, "http2Servers") as Map<Http2Server, unknown>;
  const [http2Server] = [...http2Servers.keys()];
  const listener = createServer({ noDelay: true }, (socket) => {
    http2Server?.once("session", (session: ServerHttp2Session) => {
      limitStreams({ socket, session }, streamsPerConnectionMax);
    });
    injector.injectConnection(socket);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen({ host: "127.0.0.1", port }, resolve);
  });
  return {
    port: (listener.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      injector.destroy();
      grpcServer.forceShutdown();
      await closed;
    },
  };
}

function limitStreams(connection: Connection, streamsMax: number): void {
  let streamCount = 0;
  connection.session.on("stream", () => {
    if (++streamCount === streamsMax) announceEnd(connection, () => undefined);
  });
}

function serve(call: ServerDuplexStream<Buffer, Buffer>): void {
  const exchange = new BareExchange();
  call.on("data", (bytes: Buffer) => {
    for (const answer of exchange.answersTo(bytes)) call.write(answer);
  });
  call.on("end", () => call.end());
  call.on("error", () => undefined);
}
