/** What a connection is made with. */
import type { Socket } from "node:net";
import type { Clock } from "../../../base/clock.ts";
import type { GrpcRoutes } from "../../../platform/grpc-call.ts";
import type { SlabPool } from "../../slab-pool.ts";
import type { FairTurns } from "./fair-turns.ts";
import type { OutBufferPool } from "./output.ts";
import type { ReadBuffer } from "./socket-reads.ts";

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly routes: GrpcRoutes;
  readonly concurrentStreamsMax: number;
  /** A larger message from the client ends its stream. */
  readonly messageSizeMax: number;
  /** A larger message to the client ends its stream. */
  readonly messageSendSizeMax: number;
  /** A client that says nothing for so long is asked whether it is there. */
  readonly keepAliveMs: number;
  readonly clock: Clock;
  readonly turns: FairTurns;
  readonly readBuffer: ReadBuffer;
  readonly buffers: OutBufferPool;
  readonly slabs: SlabPool;
  readonly onStreamOpened: () => void;
  readonly onStreamClosed: () => void;
  /** The connection is given up for what its client sent. */
  readonly onFailed: (reason: string) => void;
}
