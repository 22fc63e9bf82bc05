/**
 * The transport over @grpc/grpc-js and Node's HTTP/2, on sockets that this shard accepts itself, so that several shards
 * can listen on one port (`reusePort`). The slower one: what to compare with, and to fall back on.
 */
import type { Http2Server, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import type { GrpcRoutes } from "../../platform/grpc-call.ts";
import { grpcJsService } from "../../platform/grpc-js-service.ts";
import type { KeyPair } from "../../platform/tls.ts";
import {
  announceEnd,
  type Connection,
  countConnection,
  replaceConnection,
  type ServedConnection,
} from "./connection-end.ts";
import { connectionToShed } from "./connection-to-shed.ts";
import { DrainingSet } from "./draining-set.ts";
import { type ListenerOptions, listen } from "./listener.ts";
import { OpenCount } from "./open-count.ts";
import { type PlainConnection, PlainSide } from "./plain-side.ts";
import { quietResets } from "./quiet-resets.ts";
import type { Transport, TransportLoad } from "./transport.ts";

export interface ListenOptions extends Omit<ListenerOptions, "onConnection"> {
  /** What is served. */
  readonly routes: GrpcRoutes;
  /** A larger message from the client ends its stream. */
  readonly messageSizeMax: number;
  /** A larger message to the client ends its stream. No limit when absent. */
  readonly messageSendSizeMax?: number | undefined;
  /** A connection that says nothing for so long is asked whether it is there. Half a minute when absent. */
  readonly keepAliveMs?: number;
  readonly clock: Clock;
}

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
  const streams = new OpenCount();
  /** While draining: on these more streams may be on their way. */
  const unheard = new DrainingSet<Connection>();
  const grpcServer = new Server({
    // Streams pause one by one when their proxy does not read; a limit for all streams of a connection would end them
    // all.
    "grpc-node.max_session_memory": Number.MAX_SAFE_INTEGER,
    "grpc.max_receive_message_length": options.messageSizeMax,
    "grpc.max_send_message_length": options.messageSendSizeMax ?? -1,
    "grpc.keepalive_time_ms": keepAliveMs,
    "grpc.keepalive_timeout_ms": Math.min(keepAliveMs, KEEP_ALIVE_ANSWER_MS_MAX),
  });
  const { definition, implementation } = grpcJsService(options.routes, {
    onOpened: () => streams.add(),
    onOver: () => streams.remove(),
  });
  grpcServer.addService(definition, implementation);
  // TLS, where there is any, ends below gRPC.
  const injector = grpcServer.createConnectionInjector(ServerCredentials.createInsecure());
  const http2Server = http2ServerOf(grpcServer);
  const connections = new DrainingSet<ServedConnection>();
  let isDraining = false;
  const listener = await listen({
    ...options,
    onConnection(given: Socket) {
      // Its handshake began before.
      if (isDraining) return void given.destroy();
      const socket: PlainConnection = given instanceof TLSSocket ? new PlainSide(given) : given;
      // It has a session when `injectConnection` returns.
      http2Server.once("session", (session: ServerHttp2Session) => {
        const connection = countConnection({ socket, session });
        connections.add(connection);
        socket.once("close", () => connections.delete(connection));
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
      unheard.add(connection);
      announceEnd(connection, () => unheard.delete(connection));
    }
    const endMs = options.clock.nowMs() + graceMs;
    await unheard.untilEmpty(options.clock, graceMs);
    await streams.untilNone(options.clock, Math.max(0, endMs - options.clock.nowMs()));
    const cutCount = streams.open;
    // A stream is over when its last message is written. The bytes leave later.
    for (const { session } of connections) session.close();
    await connections.untilEmpty(options.clock, cutCount === 0 ? FLUSH_MS_MAX : FLUSH_BESIDE_CUT_MS_MAX);
    return cutCount;
  };
  const replaceCertificate = (keyPair: KeyPair): void => listener.replaceCertificate(keyPair);
  const taking = (): ServedConnection[] => [...connections].filter(({ takesStreams }) => takesStreams);
  const load = (): TransportLoad => ({ connections: taking().length, streams: streams.open });
  const shedConnection = (share: number): boolean => {
    const shed = connectionToShed(taking(), share);
    if (shed !== undefined) replaceConnection(shed);
    return shed !== undefined;
  };
  return { port: listener.port, load, shedConnection, drain, close, replaceCertificate };
}

/** The HTTP/2 server inside of a grpc-js server that has one, to which it has no door. */
function http2ServerOf(grpcServer: Server): Http2Server {
  const servers: unknown = Reflect.get(grpcServer, "http2Servers");
  assert(servers instanceof Map && servers.size === 1, "grpc-js keeps its HTTP/2 servers in a map");
  return [...servers.keys()][0] as Http2Server;
}
