import { createServer, type IncomingHttpHeaders } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, it } from "vitest";
import { headerBlocks } from "../../../../bench/load/header-block.ts";
import { FLAG, FRAME, frame, settingsFrame } from "../../../../src/wire/http2/frame.ts";

/** The headers that Node's HTTP/2 decodes from these blocks, each of a stream of one connection. */
async function decode(blocks: readonly Buffer[]): Promise<IncomingHttpHeaders[]> {
  const decoded: IncomingHttpHeaders[] = [];
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const all = new Promise<void>((resolve) => {
    server.on("stream", (_stream, headers) => {
      // Without Node's symbol for sensitive headers.
      decoded.push(Object.fromEntries(Object.entries(headers)));
      if (decoded.length === blocks.length) resolve();
    });
  });
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(settingsFrame(new Map()));
  for (const [index, block] of blocks.entries()) {
    socket.write(frame(FRAME.headers, FLAG.endHeaders, 2 * index + 1, block));
  }
  await all;
  socket.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return decoded;
}

/** Those of Envoy 1.40, from a recording. */
const ENVOY_HEADERS = {
  ":method": "POST",
  ":path": "/envoy.service.ext_proc.v3.ExternalProcessor/Process",
  ":authority": "localhost",
  ":scheme": "http",
  te: "trailers",
  "content-type": "application/grpc",
  "x-envoy-internal": "true",
  "x-forwarded-for": "192.0.2.2",
};

describe("header blocks", () => {
  it("say what Envoy says, on a connection's first stream and on later ones", async () => {
    const { first, later } = headerBlocks({ authority: "localhost", isTls: false });
    expect(await decode([first, later, later])).toEqual([ENVOY_HEADERS, ENVOY_HEADERS, ENVOY_HEADERS]);
    expect(later.length).toBeLessThan(first.length / 2);
  });

  it("say the same to a peer without a table", async () => {
    const { withoutTable } = headerBlocks({ authority: "a".repeat(200), isTls: true });
    const headers = { ...ENVOY_HEADERS, ":authority": "a".repeat(200), ":scheme": "https" };
    expect(await decode([withoutTable, withoutTable])).toEqual([headers, headers]);
  });
});
