import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../../../src/base/clock.ts";
import { ReadBuffer } from "../../../../../src/extproc/transport/direct/socket-reads.ts";
import { type Listener, listen } from "../../../../../src/extproc/transport/listener.ts";
import { createSelfSignedCertificate } from "../../../../../src/platform/self-signed-certificate.ts";
import { until } from "../../../../support/until.ts";

const KEY_PAIR = createSelfSignedCertificate(["127.0.0.1"], systemClock);

const open: { listener?: Listener; client?: Socket } = {};

afterEach(async () => {
  open.client?.destroy();
  await open.listener?.cut();
});

/** An accepted socket and its client. */
async function connection(isSecure: boolean, onConnection: (socket: Socket) => void): Promise<Socket> {
  const tls = isSecure ? { tls: { keyPair: KEY_PAIR, minVersion: "TLSv1.2" as const } } : {};
  open.listener = await listen({ host: "127.0.0.1", port: 0, reusePort: false, ...tls, onConnection });
  const { port } = open.listener;
  open.client = isSecure
    ? connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"] })
    : connect({ host: "127.0.0.1", port });
  return open.client;
}

/** Larger than any buffer on the way, no two places alike. */
const SENT = Buffer.alloc(3_000_000, "abcdefghijklmnopqrstuvwxyz0123456789 ");

describe.each([
  { name: "plaintext", isSecure: false },
  { name: "TLS", isSecure: true },
])("reads, $name", ({ isSecure }) => {
  it("lie in one buffer, as Node still lets them, and bring everything in order", async () => {
    const got: Buffer[] = [];
    const memory = new Set<ArrayBufferLike>();
    const offered: boolean[] = [];
    let hasEnded = false;
    const client = await connection(isSecure, (socket) => {
      const isOffered = new ReadBuffer().read(socket, (bytes) => {
        memory.add(bytes.buffer);
        got.push(Buffer.from(bytes));
        return true;
      });
      offered.push(isOffered);
      socket.once("end", () => {
        hasEnded = true;
      });
    });
    client.end(SENT);
    await until("the client's end has come", () => hasEnded);
    expect(Buffer.concat(got).equals(SENT)).toBe(true);
    expect([offered, memory.size]).toEqual([[true], 1]);
  });

  it("stop when no more is wanted, until the socket is resumed", async () => {
    const got: Buffer[] = [];
    const accepted: Socket[] = [];
    let reads = 0;
    const client = await connection(isSecure, (socket) => {
      accepted.push(socket);
      new ReadBuffer().read(socket, (bytes) => {
        got.push(Buffer.from(bytes));
        reads++;
        return false;
      });
    });
    client.write(SENT);
    const size = (): number => got.reduce((sum, { length }) => sum + length, 0);
    let stops = 0;
    while (size() < SENT.length) {
      const before = reads;
      await until("something has come", () => reads > before);
      // Nothing more comes by itself, however often the event loop goes around.
      const after = reads;
      for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
      expect(reads).toBe(after);
      stops++;
      accepted[0]?.resume();
    }
    expect(stops).toBeGreaterThan(10);
    expect(Buffer.concat(got).equals(SENT)).toBe(true);
  });

  it("go on as usual where Node has become another inside", async () => {
    const got: Buffer[] = [];
    const offered: boolean[] = [];
    const client = await connection(isSecure, (socket) => {
      const field = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "kBuffer");
      Reflect.deleteProperty(socket, field as symbol);
      offered.push(
        new ReadBuffer().read(socket, (bytes) => {
          got.push(Buffer.from(bytes));
          return true;
        }),
      );
    });
    client.write(SENT);
    await until("all has come", () => got.reduce((sum, { length }) => sum + length, 0) === SENT.length);
    expect(Buffer.concat(got).equals(SENT)).toBe(true);
    expect(offered).toEqual([false]);
  });
});
