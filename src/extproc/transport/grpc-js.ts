/**
 * The first transport: @grpc/grpc-js over sockets that this shard accepts itself, so that several shards can listen on
 * one port (`reusePort`). Messages pass as bytes; grpc-js neither encodes nor decodes them.
 *
 * A proxy that does not read its answers pauses its own stream: while the socket's buffer is full, no further message
 * of that stream is taken in. Other streams go on.
 */
import type { Http2Server, ServerHttp2Session } from "node:http2";
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import type { KeyPair } from "../../platform/tls.ts";
import { announceEnd, type Connection, limitStreams } from "./connection-end.ts";
import { DrainingSet } from "./draining-set.ts";
import { type ListenerOptions, listen, type PlainConnection } from "./listener.ts";
import { quietResets } from "./quiet-resets.ts";
import { type CloseReason, type ExtProcHandler, joined, type OpenConversation, type Transport } from "./transport.ts";

/** Another gRPC service on the same port. */
export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

export interface ListenOptions extends Omit<ListenerOptions, "onConnection"> {
  /** A larger message from the client ends its stream. */
  readonly messageSizeMax: number;
  /** A larger message to the client ends its stream. No limit when absent. */
  readonly messageSendSizeMax?: number | undefined;
  readonly services?: readonly GrpcService[];
  /** A connection that says nothing for so long is asked whether it is there. Half a minute when absent. */
  readonly keepAliveMs?: number;
  readonly clock: Clock;
  readonly open: OpenConversation;
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

/** A connection can be lost without a word, as when a machine loses power. What its requests claim is then returned. */
const KEEP_ALIVE_MS = 30_000;
/** Time in which a connection must answer that it is there. */
const KEEP_ALIVE_ANSWER_MS_MAX = 10_000;

/** Time in which the last bytes must have left once the last stream is over. */
const FLUSH_MS_MAX = 5_000;
/** The same when streams are cut, whose connections would wait for them in vain. */
const FLUSH_BESIDE_CUT_MS_MAX = 500;

/** Listens. Rejects with the system's error when the port cannot be had. */
export async function listenGrpcJs(options: ListenOptions): Promise<Transport> {
  const { keepAliveMs = KEEP_ALIVE_MS } = options;
  /** Streams; while draining also connections on which more of them may be on their way. */
  const openStreams = new DrainingSet<ServerDuplexStream<Buffer, Buffer> | Connection>();
  const grpcServer = new Server({
    // Streams pause one by one when their proxy does not read; a limit for all streams of a connection would end them
    // all.
    "grpc-node.max_session_memory": Number.MAX_SAFE_INTEGER,
    "grpc.max_receive_message_length": options.messageSizeMax,
    "grpc.max_send_message_length": options.messageSendSizeMax ?? -1,
    "grpc.keepalive_time_ms": keepAliveMs,
    "grpc.keepalive_timeout_ms": Math.min(keepAliveMs, KEEP_ALIVE_ANSWER_MS_MAX),
  });
  grpcServer.addService(
    { process: PROCESS_METHOD },
    {
      process: (call: ServerDuplexStream<Buffer, Buffer>) => {
        openStreams.add(call);
        serve(call, options.open, () => openStreams.delete(call));
      },
    },
  );
  for (const { definition, implementation } of options.services ?? []) {
    grpcServer.addService(definition, implementation);
  }
  // TLS, where there is any, ends below gRPC.
  const injector = grpcServer.createConnectionInjector(ServerCredentials.createInsecure());
  const http2Server = http2ServerOf(grpcServer);
  const connections = new DrainingSet<Connection>();
  let isDraining = false;
  const listener = await listen({
    ...options,
    onConnection(socket: PlainConnection) {
      // Its handshake began before.
      if (isDraining) return void socket.destroy();
      // It has a session when `injectConnection` returns.
      http2Server.once("session", (session: ServerHttp2Session) => {
        const connection: Connection = { socket, session };
        connections.add(connection);
        socket.once("close", () => connections.delete(connection));
        limitStreams(connection);
        quietResets(session);
      });
      injector.injectConnection(socket);
    },
  });

  const close = async (): Promise<void> => {
    isDraining = true;
    injector.destroy();
    grpcServer.forceShutdown();
    for (const { socket } of connections) socket.destroy();
    await listener.cut();
  };
  const drain = async (graceMs: number): Promise<number> => {
    isDraining = true;
    listener.stop();
    for (const connection of connections) {
      // One on which nobody ever spoke would not end.
      if (connection.socket.bytesRead === 0) connection.socket.destroy();
      openStreams.add(connection);
      announceEnd(connection, () => openStreams.delete(connection));
    }
    await openStreams.untilEmpty(options.clock, graceMs);
    const cutCount = [...openStreams].filter((item) => !("session" in item)).length;
    // A stream is over when its last message is written. The bytes leave later.
    for (const { session } of connections) session.close();
    await connections.untilEmpty(options.clock, cutCount === 0 ? FLUSH_MS_MAX : FLUSH_BESIDE_CUT_MS_MAX);
    return cutCount;
  };
  const replaceCertificate = (keyPair: KeyPair): void => listener.replaceCertificate(keyPair);
  return { port: listener.port, drain, close, replaceCertificate };
}

/** Connects one call to a conversation; `onOver` is called once when the call is over. */
function serve(call: ServerDuplexStream<Buffer, Buffer>, open: OpenConversation, onOver: () => void): void {
  let isOpen = true;
  const close = (reason: CloseReason): void => {
    if (!isOpen) return;
    isOpen = false;
    handler.onClose(reason);
    onOver();
  };
  const handler: ExtProcHandler = open({
    send(message) {
      if (isOpen && !call.write(joined(message))) call.pause();
    },
    end() {
      if (!isOpen) return;
      call.end();
      close("ended");
    },
    fail(message) {
      if (!isOpen) return;
      call.emit("error", { code: status.UNKNOWN, details: message });
      close("ended");
    },
  });
  call.on("data", (message: Buffer) => {
    if (isOpen) handler.onMessage(message);
  });
  call.on("drain", () => call.resume());
  call.on("end", () => afterTurns(TURNS_UNTIL_CANCELLED, () => isOpen && handler.onHalfClose()));
  call.on("cancelled", () => close("cancelled"));
  call.on("error", () => close("cancelled"));
}

/**
 * grpc-js shows a cancelled stream as one that was half-closed, and only a turn or two of the event loop later as
 * cancelled. So a half-close is believed after that.
 */
const TURNS_UNTIL_CANCELLED = 3;

function afterTurns(turns: number, task: () => void): void {
  if (turns === 0) task();
  else setImmediate(() => afterTurns(turns - 1, task));
}

/** The HTTP/2 server inside of a grpc-js server that has one, to which it has no door. */
function http2ServerOf(grpcServer: Server): Http2Server {
  const servers: unknown = Reflect.get(grpcServer, "http2Servers");
  assert(servers instanceof Map && servers.size === 1, "grpc-js keeps its HTTP/2 servers in a map");
  return [...servers.keys()][0] as Http2Server;
}
