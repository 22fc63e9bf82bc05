import { afterEach, assert, describe, expect, it } from "vitest";
import { ManualClock, systemClock } from "../../../../src/base/clock.ts";
import { listenGrpcJs } from "../../../../src/extproc/transport/grpc-js.ts";
import {
  type ExtProcStream,
  type OpenConversation,
  PROCESS_PATH,
  type Transport,
} from "../../../../src/extproc/transport/transport.ts";
import { createSelfSignedCertificate } from "../../../../src/platform/self-signed-certificate.ts";
import { encodeTrailersResponse } from "../../../../src/wire/ext-proc/response-encoder.ts";
import { type Conversing, ExtProcClient } from "../../../support/ext-proc-client.ts";
import { until } from "../../../support/until.ts";

const GRACE_MS = 60_000;

const clients: ExtProcClient[] = [];
const transports: Transport[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await Promise.all(transports.splice(0).map((transport) => transport.close()));
});

/** Plaintext and TLS, which takes another way through the sockets. */
const WAYS = [
  { way: "plaintext", isSecure: false },
  { way: "TLS", isSecure: true },
] as const;

const KEY_PAIR = createSelfSignedCertificate(["127.0.0.1"], systemClock);

interface Bed {
  readonly clock: ManualClock;
  readonly transport: Transport;
  readonly opened: readonly ExtProcStream[];
  readonly stream: Conversing;
}

/** A transport whose handler answers each message, on a clock that the test moves, with one stream open. */
async function startBed(isSecure: boolean): Promise<Bed> {
  const clock = new ManualClock();
  const opened: ExtProcStream[] = [];
  const open: OpenConversation = (stream) => {
    opened.push(stream);
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
    clock,
    ...(isSecure && { tls: { keyPair: KEY_PAIR, minVersion: "TLSv1.2" } }),
    routes: new Map([[PROCESS_PATH, open]]),
  });
  transports.push(transport);
  const client = new ExtProcClient(transport.port, { isSecure });
  clients.push(client);
  const stream = client.open();
  stream.send({ kind: "requestTrailers", headers: [] });
  await stream.answered((answers) => answers.length === 1);
  return { clock, transport, opened, stream };
}

/** Whether it has resolved, once everything that is under way has had time. */
async function isOver(drained: Promise<unknown>): Promise<boolean> {
  let over = false;
  void drained.then(() => {
    over = true;
  });
  for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  return over;
}

describe.each(WAYS)("a draining transport, $way,", ({ isSecure }) => {
  it("serves an open stream for as long as it may, and is over when that has ended", async () => {
    const { clock, transport, stream } = await startBed(isSecure);
    const drained = transport.drain(GRACE_MS);
    clock.advance(GRACE_MS - 1);
    expect(await isOver(drained)).toBe(false);
    stream.send({ kind: "requestTrailers", headers: [] });
    await stream.answered((answers) => answers.length === 2);
    stream.halfClose();
    expect((await stream.ended).code).toBe(0);
    expect(await drained).toBe(0);
    expect(clock.pendingCount).toBe(0);
  });

  it("is over when the open stream takes longer, and the last bytes have had their time", async () => {
    const { clock, transport, stream } = await startBed(isSecure);
    const drained = transport.drain(GRACE_MS);
    clock.advance(GRACE_MS);
    await until("the wait for the last bytes has begun", () => clock.pendingCount === 1);
    clock.advance(5_000);
    expect(await drained).toBe(1);
    await transport.close();
    expect((await stream.ended).code).not.toBe(0);
  });

  it("takes no new connection", async () => {
    const { transport, opened, stream } = await startBed(isSecure);
    const drained = transport.drain(GRACE_MS);
    const late = new ExtProcClient(transport.port, { isSecure });
    clients.push(late);
    const refused = late.open();
    expect((await refused.ended).code).not.toBe(0);
    expect(opened).toHaveLength(1);
    stream.halfClose();
    await drained;
  });
});
