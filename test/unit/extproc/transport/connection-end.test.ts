import { afterEach, assert, describe, expect, it } from "vitest";
import { systemClock } from "../../../../src/base/clock.ts";
import { STREAMS_PER_CONNECTION_MAX } from "../../../../src/extproc/transport/connection-end.ts";
import { listenGrpcJs } from "../../../../src/extproc/transport/grpc-js.ts";
import { type OpenConversation, PROCESS_PATH, type Transport } from "../../../../src/extproc/transport/transport.ts";
import { createSelfSignedCertificate } from "../../../../src/platform/self-signed-certificate.ts";
import { encodeTrailersResponse } from "../../../../src/wire/ext-proc/response-encoder.ts";
import { connectRaw, frames, type RawConnection } from "../../../support/raw-ext-proc.ts";
import { closeWires, startWire } from "../../../support/test-wire.ts";
import { until } from "../../../support/until.ts";

const transports: Transport[] = [];
const connections: RawConnection[] = [];

afterEach(async () => {
  for (const { socket } of connections.splice(0)) socket.destroy();
  closeWires();
  await Promise.all(transports.splice(0).map((transport) => transport.close()));
});

const MESSAGE = frames({ kind: "requestTrailers", headers: [] });

/** Plaintext and TLS, which takes another way through the sockets. */
const WAYS = [
  { way: "plaintext", isSecure: false },
  { way: "TLS", isSecure: true },
] as const;

const KEY_PAIR = createSelfSignedCertificate(["127.0.0.1"], systemClock);

/** A transport whose handler answers each message and ends when its client does. */
async function startTransport({ isSecure }: { isSecure: boolean }) {
  let openCount = 0;
  const open: OpenConversation = (stream) => {
    openCount++;
    return {
      onMessage: () => stream.send(encodeTrailersResponse("request")),
      onMessagePiece: () => assert.fail("grpc-js gives messages whole"),
      onHalfClose: () => stream.end(),
      onClose: () => undefined,
    };
  };
  const transport = await listenGrpcJs({
    host: "127.0.0.1",
    port: 0,
    reusePort: false,
    messageSizeMax: 65_536,
    clock: systemClock,
    ...(isSecure && { tls: { keyPair: KEY_PAIR, minVersion: "TLSv1.2" } }),
    routes: new Map([[PROCESS_PATH, open]]),
  });
  transports.push(transport);
  return { transport, openCount: () => openCount };
}

async function connect(port: number, isSecure: boolean): Promise<RawConnection> {
  const connection = await connectRaw(port, { isSecure });
  connections.push(connection);
  return connection;
}

describe.each(WAYS)("a connection, $way,", ({ isSecure }) => {
  it(`that has had ${STREAMS_PER_CONNECTION_MAX} streams is to be replaced; its open streams go on`, async () => {
    const { transport, openCount } = await startTransport({ isSecure });
    const connection = await connect(transport.port, isSecure);
    const lasting = connection.open();
    await lasting.write(MESSAGE);
    await lasting.answered(1);
    for (let count = 2; count < STREAMS_PER_CONNECTION_MAX; count++) {
      const stream = connection.open();
      stream.halfClose();
      expect(await stream.ended).toBe(0);
    }
    expect([openCount(), connection.isGivenUp]).toEqual([STREAMS_PER_CONNECTION_MAX - 1, false]);
    const last = connection.open();
    await last.write(MESSAGE);
    await until("the connection is given up", () => connection.isGivenUp);
    for (const stream of [last, lasting]) {
      await stream.write(MESSAGE);
      await stream.answered(2);
      stream.halfClose();
      expect(await stream.ended).toBe(0);
    }
    await connection.closed;
  });

  it("that is to be replaced takes the streams that its client begins before it hears of that", async () => {
    const { transport, openCount } = await startTransport({ isSecure });
    const wire = await startWire(transport.port);
    const connection = await connect(wire.port, isSecure);
    const streams = Array.from({ length: STREAMS_PER_CONNECTION_MAX - 1 }, () => connection.open());
    await until("all but one are open", () => openCount() === STREAMS_PER_CONNECTION_MAX - 1);
    wire.hold();
    streams.push(connection.open());
    await until("the limit is reached", () => openCount() === STREAMS_PER_CONNECTION_MAX);
    for (let count = 0; count < 100; count++) streams.push(connection.open());
    await until("the others have come", () => openCount() === STREAMS_PER_CONNECTION_MAX + 100);
    for (const stream of streams) stream.halfClose();
    wire.release();
    expect(new Set(await Promise.all(streams.map(({ ended }) => ended)))).toEqual(new Set([0]));
    await connection.closed;
  });
});
