import { afterEach, describe, expect, it } from "vitest";
import { layout } from "../../src/wasm/layout.ts";
import type { TestEpp } from "../support/epp.ts";
import {
  bodyMessages,
  chatBody,
  type RequestAnswer,
  readRequestAnswer,
  requestHeaders,
} from "../support/ext-proc-messages.ts";
import {
  beginRequest,
  closeHostileBeds,
  connectHostile,
  connectPolite,
  expectUnharmed,
  inFlight,
  startHostileBed,
  streamsOpen,
  WINDOW_COUNT,
} from "../support/hostile-bed.ts";
import { readMetric } from "../support/metrics.ts";
import { frames, type RawConnection, type RawStream } from "../support/raw-ext-proc.ts";
import { until } from "../support/until.ts";

afterEach(closeHostileBeds);

const MIB = 1024 * 1024;
/** Of the whole process, with other tests beside this one: far above what is expected, far below what is offered. */
const RSS_GROWTH_MAX = 60 * MIB;

describe("a body that is too large", () => {
  const LIMIT = 8 * MIB;
  const OFFERED = 100 * MIB;
  /** What may be in buffers of the system and windows of HTTP/2 when the refusal comes. */
  const ON_ITS_WAY_MAX = 4 * MIB;

  it(`is refused with 413 as soon as it passes ${LIMIT} bytes; ${OFFERED} were offered`, async () => {
    const epp = await startHostileBed({ requestBodySizeMax: LIMIT });
    const connection = await connectHostile(epp);
    const stream = connection.open();
    const rssBefore = process.memoryUsage().rss;
    const opening = Buffer.from('{"model":"m","messages":[{"role":"user","content":"');
    await stream.write(frames(requestHeaders(), { kind: "requestBody", body: opening }));
    const piece = frames({ kind: "requestBody", body: Buffer.alloc(64 * 1024, "x") });
    let takenSize = 0;
    while (takenSize < OFFERED && (await stream.write(piece))) takenSize += piece.length;
    expect(readRequestAnswer(await stream.answered(1))).toMatchObject({ kind: "refused", status: 413 });
    expect(await stream.ended).toBe(0);
    expect(takenSize).toBeGreaterThan(LIMIT - ON_ITS_WAY_MAX);
    expect(takenSize).toBeLessThan(LIMIT + ON_ITS_WAY_MAX);
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(RSS_GROWTH_MAX);
    const label = { error_code: "PayloadTooLarge" };
    expect(await readMetric(epp.metricsPort, "endpoint_picker_refusals_total", label)).toBe(1);
    await expectUnharmed(epp);
  });
});

describe("streams that are reset", () => {
  const RESETS_COUNT = 2_000;
  const AT_ONCE = 50;
  const body = chatBody("z".repeat(3_000));
  const headersFrame = frames(requestHeaders());
  const bodyFrames = frames(...bodyMessages("requestBody", body, { pieceSize: 1_000 }));
  const routed = async (stream: RawStream): Promise<void> => {
    await stream.write(Buffer.concat([headersFrame, bodyFrames]));
    await stream.answered(2);
  };
  const responseHeaders = frames({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] });
  const responsePiece = frames({ kind: "responseBody", body: Buffer.from("data: 1\n\n") });

  /** What a stream has said, and heard, when it is reset. */
  const STEPS: readonly { name: string; run: (stream: RawStream) => Promise<unknown> }[] = [
    { name: "nothing", run: async () => undefined },
    { name: "half a frame", run: (stream) => stream.write(headersFrame.subarray(0, 40)) },
    { name: "headers", run: (stream) => stream.write(headersFrame) },
    {
      name: "a piece of the body",
      run: (stream) => stream.write(Buffer.concat([headersFrame, bodyFrames.subarray(0, 1_100)])),
    },
    { name: "the body", run: (stream) => stream.write(Buffer.concat([headersFrame, bodyFrames])) },
    { name: "the body, heard the pick", run: routed },
    {
      name: "a request without a body",
      run: (stream) => stream.write(frames(requestHeaders({ endOfStream: true, path: "/v1/models" }))),
    },
    {
      name: "the response's headers",
      run: async (stream) => {
        await routed(stream);
        await stream.write(responseHeaders);
      },
    },
    {
      name: "a piece of the response, heard the answer",
      run: async (stream) => {
        await routed(stream);
        await stream.write(Buffer.concat([responseHeaders, responsePiece]));
        await stream.answered(4);
      },
    },
    {
      name: "a half-close",
      run: async (stream) => {
        await stream.write(Buffer.concat([headersFrame, bodyFrames]));
        stream.halfClose();
      },
    },
  ];

  it.each([
    // Node's HTTP/2 would give a connection up with all its streams; see `connection-end.ts`.
    { transport: "grpc-js", connectionsMin: 2, connectionsMax: Number.MAX_SAFE_INTEGER },
    { transport: "direct", connectionsMin: 1, connectionsMax: 1 },
  ] as const)(
    `leave nothing behind (${RESETS_COUNT}, at ${STEPS.length} steps), nor end those beside them, $transport`,
    async ({ transport, connectionsMin, connectionsMax }) => {
      const epp = await startHostileBed({ transport });
      let connection = await connectHostile(epp);
      const lasting = connection.open();
      await routed(lasting);
      let connectionsCount = 1;
      for (let start = 0; start < RESETS_COUNT; start += AT_ONCE) {
        if (connection.isGivenUp) {
          connection = await connectHostile(epp);
          connectionsCount++;
        }
        const streams = Array.from({ length: AT_ONCE }, async (_, index) => {
          const stream = connection.open();
          await STEPS[(start + index) % STEPS.length]?.run(stream);
          stream.reset();
          await stream.ended;
        });
        await Promise.all(streams);
      }
      expect(connectionsCount).toBeGreaterThanOrEqual(connectionsMin);
      expect(connectionsCount).toBeLessThanOrEqual(connectionsMax);
      await until("all reset streams are closed", () => streamsOpen(epp) === 1);
      expect(inFlight(epp).requests).toBe(1);
      await lasting.write(Buffer.concat([responseHeaders, responsePiece]));
      expect(await lasting.answered(4)).toHaveLength(4);
      lasting.halfClose();
      expect(await lasting.ended).toBe(0);
      await expectUnharmed(epp);
    },
  );
});

describe("a client that does not read its answers", () => {
  const REQUEST_SIZE = 2 * MIB;
  const OFFERED = 64 * MIB;
  /** Buffers of two sockets, windows, and what the picker may hold: a little, and not what is offered. */
  const TAKEN_MAX = 8 * MIB;

  it("is not read from either, while others are served; once it reads, all of it comes", async () => {
    const epp = await startHostileBed();
    const connection = await connectHostile(epp);
    const stream = connection.open({ isUnread: true });
    const body = chatBody("q".repeat(REQUEST_SIZE));
    await stream.write(frames(requestHeaders(), ...bodyMessages("requestBody", body)));
    await stream.write(frames({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] }));
    const piece = frames({ kind: "responseBody", body: Buffer.alloc(16 * 1024, "r") });
    let takenSize = 0;
    const offering = (async () => {
      while (takenSize < OFFERED && (await stream.write(piece))) takenSize += piece.length;
    })();
    const served = await serveUntilStill(connection, () => takenSize);
    expect(takenSize).toBeLessThan(TAKEN_MAX);
    expect(served.every(({ kind }) => kind === "routed")).toBe(true);
    stream.read();
    await offering;
    await stream.write(frames({ kind: "responseBody", body: Buffer.alloc(0), endOfStream: true }));
    stream.halfClose();
    expect(await stream.ended).toBe(0);
    expect(bytesOf(stream, "requestBody")).toBe(body.length);
    expect(bytesOf(stream, "responseBody")).toBe((takenSize / piece.length) * 16 * 1024);
    await expectUnharmed(epp);
  });

  /** Serves requests on the same connection until ten of them pass in which nothing was taken from the other stream. */
  async function serveUntilStill(connection: RawConnection, taken: () => number): Promise<RequestAnswer[]> {
    const answers: RequestAnswer[] = [];
    for (let before = -1; before !== taken(); ) {
      before = taken();
      for (let count = 0; count < 10; count++) {
        const stream = connection.open();
        await stream.write(frames(requestHeaders(), ...bodyMessages("requestBody", chatBody("hello"))));
        answers.push(readRequestAnswer(await stream.answered(2)));
        stream.halfClose();
        await stream.ended;
      }
    }
    return answers;
  }

  function bytesOf(stream: RawStream, kind: "requestBody" | "responseBody"): number {
    let size = 0;
    for (const answer of stream.answers) {
      if (answer.kind !== kind || answer.common.bodyMutation?.kind !== "streamed") continue;
      size += answer.common.bodyMutation.body.length;
    }
    return size;
  }
});

describe("with every stream window taken", () => {
  it("a further body gets 429, a request without one is served, and the next body when a window is free", async () => {
    const epp = await startHostileBed();
    const client = connectPolite(epp);
    const holders = Array.from({ length: WINDOW_COUNT }, () => beginRequest(client));
    await until("all windows are taken", () => streamsOpen(epp) === WINDOW_COUNT);
    const refused = await client.ask(chatBody("hello"));
    expect(refused).toMatchObject({ status: 429, headers: { "x-llm-d-request-dropped-reason": "rejected-saturated" } });
    expect(await client.ask(undefined, { path: "/v1/models" })).toMatchObject({ kind: "routed" });
    expect(
      await readMetric(epp.metricsPort, "endpoint_picker_refusals_total", { error_code: "ResourceExhausted" }),
    ).toBe(1);

    holders[0]?.cancel();
    await until("one of them is free", () => streamsOpen(epp) === WINDOW_COUNT - 1);
    expect(await client.ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
    for (const holder of holders) holder.cancel();
    await expectUnharmed(epp);
  });
});

describe("connections that break", () => {
  const CONNECTIONS_COUNT = 40;

  const WAYS = [
    { name: "closed", end: (connection: RawConnection) => connection.socket.destroy() },
    { name: "reset", end: (connection: RawConnection) => connection.socket.resetAndDestroy() },
  ] as const;

  it.each(WAYS)(`($name, ${CONNECTIONS_COUNT} of them) take their streams with them`, async ({ end }) => {
    const epp = await startHostileBed();
    const connections = await Promise.all(Array.from({ length: CONNECTIONS_COUNT }, () => connectHostile(epp)));
    for (const connection of connections) {
      const inBody = connection.open();
      await inBody.write(
        frames(requestHeaders(), ...bodyMessages("requestBody", chatBody("hello"), { pieceSize: 30 }).slice(0, 1)),
      );
      const picked = connection.open();
      await picked.write(frames(requestHeaders(), ...bodyMessages("requestBody", chatBody("hello"))));
      await picked.answered(2);
    }
    expect([streamsOpen(epp), inFlight(epp).requests]).toEqual([2 * CONNECTIONS_COUNT, CONNECTIONS_COUNT]);
    for (const connection of connections) end(connection);
    await expectUnharmed(epp);
    await expectCauses(epp, { "client-disconnect": 2 * CONNECTIONS_COUNT });
  });

  async function expectCauses(epp: TestEpp, causes: Readonly<Record<string, number>>): Promise<void> {
    for (const [cause, count] of Object.entries(causes)) {
      const counted = await readMetric(epp.metricsPort, "endpoint_picker_exchanges_total", { cause });
      expect(counted).toBeGreaterThanOrEqual(count);
    }
    expect(epp.counters.shards(layout.SHARD_COUNTER_PROTOCOL_ERRORS)).toBe(0);
  }
});
