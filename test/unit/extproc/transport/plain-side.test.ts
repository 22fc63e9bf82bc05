/** A real TLS connection over the loopback interface; the plaintext side is used as Node's HTTP/2 uses a stream. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../../src/base/clock.ts";
import { PlainSide } from "../../../../src/extproc/transport/plain-side.ts";
import { createSelfSignedCertificate } from "../../../../src/platform/self-signed-certificate.ts";
import { until } from "../../../support/until.ts";

const KEY_PAIR = createSelfSignedCertificate(["127.0.0.1"], systemClock);

const servers: Server[] = [];
const clients: TLSSocket[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A client, and the server's plaintext side of its connection. */
async function startPair(): Promise<{ client: TLSSocket; side: PlainSide }> {
  const server = createServer(KEY_PAIR);
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const accepted = once(server, "secureConnection");
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  client.on("error", () => undefined);
  clients.push(client);
  const [socket] = (await accepted) as [TLSSocket];
  return { client, side: new PlainSide(socket) };
}

function collect(stream: TLSSocket | PlainSide): () => Buffer {
  const pieces: Buffer[] = [];
  stream.on("data", (piece: Buffer) => void pieces.push(piece));
  return () => Buffer.concat(pieces);
}

describe("the plaintext side of a TLS connection", () => {
  it("passes bytes both ways in their order, whatever their pieces, and the ends of both", async () => {
    const { client, side } = await startPair();
    const [fromClient, fromSide] = [collect(side), collect(client)];
    const pieces = Array.from({ length: 300 }, (_, index) => Buffer.alloc(index * 7, index % 251));
    for (const [index, piece] of pieces.entries()) {
      client.write(piece);
      // Some at once, some one by one.
      if (index % 3 === 0) side.cork();
      side.write(piece);
      if (index % 3 === 2) process.nextTick(() => side.uncork());
    }
    client.end();
    side.end();
    await Promise.all([once(client, "close"), once(side, "close")]);
    expect(fromClient().equals(Buffer.concat(pieces))).toBe(true);
    expect(fromSide().equals(Buffer.concat(pieces))).toBe(true);
    expect(side.bytesRead).toBe(Buffer.concat(pieces).length);
  });

  it("knows that a client has said nothing, the handshake aside", async () => {
    const { client, side } = await startPair();
    await once(client, "session");
    expect(side.bytesRead).toBe(0);
  });

  it("holds the client up while nobody reads, instead of piling up what it sends", async () => {
    const { client, side } = await startPair();
    const size = 32 * 1024 * 1024;
    let isSent = false;
    client.write(Buffer.alloc(size), () => {
      isSent = true;
    });
    await until("it has begun", () => side.bytesRead > 0);
    let before = -1;
    await until("nothing more comes", () => {
      const isStill = side.bytesRead === before;
      before = side.bytesRead;
      return isStill;
    });
    expect([isSent, side.bytesRead < size / 4]).toEqual([false, true]);
    const received = collect(side);
    await until("all has come", () => side.bytesRead === size);
    expect(received()).toHaveLength(size);
  });

  it("takes a write as done only when the connection has it, so that a client that does not read is waited for", async () => {
    const { client, side } = await startPair();
    client.pause();
    let doneCount = 0;
    for (let count = 0; count < 64; count++) side.write(Buffer.alloc(1024 * 1024), () => doneCount++);
    let before = -1;
    await until("nothing more goes", () => {
      const isStill = doneCount === before;
      before = doneCount;
      return isStill;
    });
    expect(doneCount).toBeLessThan(64);
    let receivedSize = 0;
    client.on("data", (bytes: Buffer) => {
      receivedSize += bytes.length;
    });
    client.resume();
    await until("all has come", () => receivedSize === 64 * 1024 * 1024);
    await until("all is taken", () => doneCount === 64);
  });

  it("is closed without an error when the client is gone, and takes the connection with it when it is destroyed", async () => {
    const [lost, dropped] = [await startPair(), await startPair()];
    const errors: unknown[] = [];
    for (const { side } of [lost, dropped]) side.on("error", (error) => errors.push(error)).resume();
    lost.client.destroy();
    await once(lost.side, "close");
    const gone = once(dropped.client, "close");
    dropped.side.destroy();
    await gone;
    expect(errors).toEqual([]);
  });
});
