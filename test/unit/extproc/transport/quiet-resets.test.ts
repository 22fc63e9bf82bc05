/** Resets through Node's own HTTP/2: no stack trace is made, and the stream ends as it did. */
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { quietResets } from "../../../../src/extproc/transport/quiet-resets.ts";

let server: Http2Server;
let client: ClientHttp2Session;

afterEach(() => {
  client.destroy();
  server.close();
});

type End = (sides: { readonly stream: ServerHttp2Stream; readonly reset: (code: number) => void }) => void;

/** What becomes of a server's stream that `end` ends. */
async function endOfStream(end: End): Promise<{ readonly error: Error | undefined; readonly isAborted: boolean }> {
  server = createServer();
  server.on("session", quietResets);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const request = client.request({ ":method": "POST" });
  request.on("error", () => undefined);
  const stream = await new Promise<ServerHttp2Stream>((resolve) => server.once("stream", resolve));
  let error: Error | undefined;
  stream.on("error", (thrown) => (error = thrown));
  const closed = new Promise((resolve) => stream.once("close", resolve));
  end({ stream, reset: (code) => request.close(code) });
  await closed;
  return { error, isAborted: stream.aborted };
}

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL } = constants;

describe("streams that a proxy resets", () => {
  it("end with an error that has no stack trace", async () => {
    const { error, isAborted } = await endOfStream(({ reset }) => reset(NGHTTP2_INTERNAL_ERROR));
    expect(error?.stack).toBe("Error: the stream was reset");
    expect(isAborted).toBe(true);
  });

  it("end without an error when the proxy cancels them", async () => {
    const { error, isAborted } = await endOfStream(({ reset }) => reset(NGHTTP2_CANCEL));
    expect(error).toBeUndefined();
    expect(isAborted).toBe(true);
  });

  it("keep an error of their own, and its stack", async () => {
    const { error } = await endOfStream(({ stream }) => void stream.destroy(new Error("of its own")));
    expect(error?.message).toBe("of its own");
    expect(error?.stack).toContain("quiet-resets.test.ts");
  });
});
