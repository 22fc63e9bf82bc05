/**
 * The direct transport: the shard speaks HTTP/2 and gRPC itself on the sockets that it accepts, as far as ext_proc and
 * gRPC health need them. A stream costs a tenth of what it costs over grpc-js and Node's HTTP/2.
 *
 *   socket ─► FrameReader ─► Connection ─► DirectStream ─► MessageReader ─► handler
 *      ◄──────── Output ◄───────┘ ◄──── MessageCursor ◄────── send ◄──────────┘
 */
import type { Socket } from "node:net";
import type { Clock } from "../../../base/clock.ts";
import type { GrpcRoutes } from "../../../platform/grpc-call.ts";
import type { KeyPair } from "../../../platform/tls.ts";
import { SlabPool } from "../../slab-pool.ts";
import { connectionToShed } from "../connection-to-shed.ts";
import { DrainingSet } from "../draining-set.ts";
import { type ListenerOptions, listen } from "../listener.ts";
import { OpenCount } from "../open-count.ts";
import type { Transport, TransportLoad } from "../transport.ts";
import { Connection } from "./connection.ts";
import { FairTurns } from "./fair-turns.ts";
import { OutBufferPool } from "./output.ts";
import { ReadBuffer } from "./socket-reads.ts";

export interface DirectOptions extends Omit<ListenerOptions, "onConnection"> {
  /** What is served. */
  readonly routes: GrpcRoutes;
  /** A larger message from the client ends its stream. */
  readonly messageSizeMax: number;
  /** A larger message to the client ends its stream. No limit when absent. */
  readonly messageSendSizeMax?: number | undefined;
  /** A connection that says nothing for so long is asked whether it is there. Half a minute when absent. */
  readonly keepAliveMs?: number;
  readonly clock: Clock;
  /** For what clients do not take yet. It waits in buffers of its own when absent. */
  readonly slabs?: SlabPool;
  /** A connection is given up for what its client sent. */
  readonly onConnectionFailed?: (reason: string) => void;
}

const KEEP_ALIVE_MS = 30_000;
/** Time in which the last bytes must have left once the last stream is over. */
const FLUSH_MS_MAX = 5_000;
/** The same when streams are cut, whose connections would wait for them in vain. */
const FLUSH_BESIDE_CUT_MS_MAX = 500;
/**
 * Streams that clients are told one connection may have open. Envoy's own limit: for more it opens another connection,
 * which may come to another shard. Less would be known to it too late: what it has waiting it sends on a new connection
 * before it has read that connection's settings.
 */
const CONCURRENT_STREAMS_MAX = 1_024;

/** Listens. Rejects with the system's error when the port cannot be had. */
export async function listenDirect(options: DirectOptions): Promise<Transport> {
  const { clock, slabs = new SlabPool({ slabsMax: 0, onExhausted: () => undefined }) } = options;
  const turns = new FairTurns(clock, (task) => void setImmediate(task));
  const readBuffer = new ReadBuffer();
  const buffers = new OutBufferPool();
  const connections = new DrainingSet<Connection>();
  const streams = new OpenCount();
  /** While draining: on these more streams may be on their way. */
  const unheard = new DrainingSet<Connection>();
  let isDraining = false;
  const listener = await listen({
    ...options,
    onConnection(socket: Socket) {
      // Its handshake began before.
      if (isDraining) return void socket.destroy();
      const connection = new Connection({
        socket,
        routes: options.routes,
        concurrentStreamsMax: CONCURRENT_STREAMS_MAX,
        messageSizeMax: options.messageSizeMax,
        messageSendSizeMax: options.messageSendSizeMax ?? Number.MAX_SAFE_INTEGER,
        keepAliveMs: options.keepAliveMs ?? KEEP_ALIVE_MS,
        clock,
        turns,
        readBuffer,
        buffers,
        slabs,
        onStreamOpened: () => streams.add(),
        onStreamClosed: () => streams.remove(),
        onFailed: (reason) => options.onConnectionFailed?.(reason),
      });
      connections.add(connection);
      socket.once("close", () => connections.delete(connection));
    },
  });

  const close = async (): Promise<void> => {
    isDraining = true;
    for (const connection of connections) connection.destroy();
    await listener.cut();
  };
  const drain = async (graceMs: number): Promise<number> => {
    isDraining = true;
    listener.stop();
    for (const connection of connections) {
      // One on which nobody ever spoke would not end.
      if (connection.isSilent) connection.destroy();
      unheard.add(connection);
      connection.goAway(() => unheard.delete(connection));
    }
    const endMs = clock.nowMs() + graceMs;
    await unheard.untilEmpty(clock, graceMs);
    await streams.untilNone(clock, Math.max(0, endMs - clock.nowMs()));
    const cutCount = streams.open;
    // A stream is over when its last message is written. The bytes leave later.
    for (const connection of connections) connection.finishStreams();
    await connections.untilEmpty(clock, cutCount === 0 ? FLUSH_MS_MAX : FLUSH_BESIDE_CUT_MS_MAX);
    return cutCount;
  };
  const taking = (): Connection[] => [...connections].filter(({ isLeaving }) => !isLeaving);
  const load = (): TransportLoad => ({ connections: taking().length, streams: streams.open });
  const shedConnection = (share: number): boolean => {
    const shed = connectionToShed(taking(), share);
    shed?.goAway();
    return shed !== undefined;
  };
  return {
    port: listener.port,
    load,
    shedConnection,
    drain,
    close,
    replaceCertificate: (keyPair: KeyPair) => listener.replaceCertificate(keyPair),
  };
}
