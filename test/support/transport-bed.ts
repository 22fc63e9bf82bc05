/**
 * A transport of either kind in this process, whose calls are recorded. By default a call echoes each message and ends
 * when its client does. `closeTransports` ends all that a test started.
 */
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { listenDirect } from "../../src/extproc/transport/direct/direct.ts";
import { listenGrpcJs } from "../../src/extproc/transport/grpc-js.ts";
import type { CloseReason, Transport } from "../../src/extproc/transport/transport.ts";
import type { GrpcCall, GrpcHandler } from "../../src/platform/grpc-call.ts";
import { createSelfSignedCertificate } from "../../src/platform/self-signed-certificate.ts";
import type { KeyPair } from "../../src/platform/tls.ts";
import { Http2Peer } from "./http2-peer.ts";

export const ECHO_PATH = "/test.Echo/Echo";

export interface Way {
  readonly kind: "direct" | "grpc-js";
  readonly isSecure: boolean;
  /** Both, in a test's name. */
  readonly way: string;
}

/** Both transports, each in plaintext and over TLS, which takes another way through the sockets. */
export const WAYS: readonly Way[] = (["direct", "grpc-js"] as const).flatMap((kind) =>
  [false, true].map((isSecure) => ({ kind, isSecure, way: `${kind}, ${isSecure ? "TLS" : "plaintext"}` })),
);

/** Both transports in plaintext, for what TLS does not touch. */
export const PLAIN_WAYS: readonly Way[] = WAYS.filter(({ isSecure }) => !isSecure);

const KEY_PAIR: KeyPair = createSelfSignedCertificate(["127.0.0.1"], systemClock);

export interface RecordedCall {
  readonly call: GrpcCall;
  /** Sizes of the messages. */
  readonly messageSizes: number[];
  isHalfClosed: boolean;
  /** Exactly one in the end. */
  readonly closes: CloseReason[];
}

export interface TransportBedOptions {
  readonly kind?: Way["kind"];
  readonly isSecure?: boolean;
  readonly clock?: Clock;
  readonly messageSizeMax?: number;
  readonly messageSendSizeMax?: number;
  readonly keepAliveMs?: number;
  /** Instead of an echo. */
  readonly onMessage?: (recorded: RecordedCall, message: Buffer) => void;
  readonly onReady?: (recorded: RecordedCall) => void;
  /** Instead of the call's end. */
  readonly onHalfClose?: (recorded: RecordedCall) => void;
}

export interface TransportBed {
  readonly transport: Transport;
  readonly port: number;
  readonly calls: readonly RecordedCall[];
  /** Reasons for which connections were given up. */
  readonly failures: readonly string[];
  /** Calls that are not over. */
  openCount(): number;
  /** Lets go of all calls so far, and gives them. */
  takeCalls(): readonly RecordedCall[];
  /** A client of raw frames, closed after the test. */
  greet(settings?: Map<number, number>): Promise<Http2Peer>;
}

const transports: Transport[] = [];
const peers: Http2Peer[] = [];

export async function startTransport(options: TransportBedOptions = {}): Promise<TransportBed> {
  const { kind = "direct", isSecure = false, clock = systemClock, messageSizeMax = 8 * 1024 * 1024 } = options;
  const calls: RecordedCall[] = [];
  const failures: string[] = [];
  const transport = await (kind === "direct" ? listenDirect : listenGrpcJs)({
    host: "127.0.0.1",
    port: 0,
    reusePort: false,
    messageSizeMax,
    messageSendSizeMax: options.messageSendSizeMax,
    clock,
    ...(options.keepAliveMs !== undefined && { keepAliveMs: options.keepAliveMs }),
    ...(isSecure && { tls: { keyPair: KEY_PAIR, minVersion: "TLSv1.2" } }),
    routes: new Map([[ECHO_PATH, (call: GrpcCall) => recordCall(call, calls, options)]]),
    onConnectionFailed: (reason: string) => failures.push(reason),
  });
  transports.push(transport);
  return {
    transport,
    port: transport.port,
    calls,
    failures,
    takeCalls: () => calls.splice(0),
    openCount: () => calls.filter(({ closes }) => closes.length === 0).length,
    async greet(settings) {
      const peer = await Http2Peer.greet(transport.port, { isSecure, ...(settings !== undefined && { settings }) });
      peers.push(peer);
      return peer;
    },
  };
}

export async function closeTransports(): Promise<void> {
  for (const { socket } of peers.splice(0)) socket.destroy();
  await Promise.all(transports.splice(0).map((transport) => transport.close()));
}

function recordCall(call: GrpcCall, calls: RecordedCall[], options: TransportBedOptions): GrpcHandler {
  const { onMessage = echo, onHalfClose = end } = options;
  const recorded: RecordedCall = { call, messageSizes: [], isHalfClosed: false, closes: [] };
  calls.push(recorded);
  const pieces: Buffer[] = [];
  const take = (message: Buffer): void => {
    recorded.messageSizes.push(message.length);
    onMessage(recorded, message);
  };
  return {
    onMessage: take,
    onMessagePiece(bytes: Buffer, left: number) {
      pieces.push(Buffer.from(bytes));
      if (left === 0) take(Buffer.concat(pieces.splice(0)));
    },
    onHalfClose() {
      recorded.isHalfClosed = true;
      onHalfClose(recorded);
    },
    onReady: () => options.onReady?.(recorded),
    onClose: (reason: CloseReason) => void recorded.closes.push(reason),
  };
}

function echo({ call }: RecordedCall, message: Buffer): void {
  call.send(message);
}

function end({ call }: RecordedCall): void {
  call.end();
}
