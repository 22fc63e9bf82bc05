import { Agent, type ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { afterEach, expect, it } from "vitest";
import { STREAMS_PER_CONNECTION_MAX } from "../../src/extproc/transport/connection-end.ts";
import { type Bed, closeBeds, inFlight, startBed, untilNothingInFlight } from "../support/envoy-bed.ts";
import { LOOPBACK } from "../support/epp.ts";
import { CHAT_PATH, chatBody } from "../support/ext-proc-messages.ts";
import { beginHttp, readHttp } from "../support/http-client.ts";
import { readMetric } from "../support/metrics.ts";
import { until } from "../support/until.ts";
import { startUpstream } from "../support/upstream.ts";

afterEach(closeBeds);

/** As many windows as there are bodies at once. */
const WINDOWS = { streamWindowCount: 2_048 };

/** A server that holds its answers. */
async function startHolding(): Promise<{ readonly port: number; readonly held: ServerResponse[] }> {
  const held: ServerResponse[] = [];
  const { port } = await startUpstream({
    [CHAT_PATH]: (request, response) => {
      request.resume();
      request.on("end", () => held.push(response));
    },
  });
  return { port, held };
}

/** Connections that Envoy has had with the picker. */
async function pickerConnections(bed: Bed): Promise<number> {
  return await bed.stat("cluster.picker.upstream_cx_total");
}

const AT_ONCE = 1_000;

it(`${AT_ONCE} requests at once are all served; they share one connection`, async () => {
  const { port, held } = await startHolding();
  const bed = await startBed([{ name: "holding", port }], {}, WINDOWS);
  const session = connectHttp2(`http://${LOOPBACK}:${bed.port}`);
  const answers = Array.from({ length: AT_ONCE }, (_, index) => {
    const stream = session.request({ ":method": "POST", ":path": CHAT_PATH }, { endStream: false });
    stream.resume();
    stream.end(chatBody(`Question ${index}`));
    return new Promise<number>((resolve, reject) => {
      stream.once("response", (headers) => resolve(Number(headers[":status"])));
      stream.once("error", reject);
    });
  });
  await until("the server has them all", () => held.length === AT_ONCE);
  expect(await readMetric(bed.epp.metricsPort, "endpoint_picker_streams_inflight")).toBe(AT_ONCE);
  expect(inFlight(bed)).toBe(AT_ONCE);
  expect(await pickerConnections(bed)).toBe(1);
  for (const response of held) response.end("{}");
  expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
  session.close();
  await untilNothingInFlight(bed);
});

const LOAD_COUNT = 4_000;
const WORKERS_COUNT = 64;

const TRANSPORTS = [
  { transport: "direct", outcome: "share the picker's one connection", connectionsMin: 1, connectionsMax: 1 },
  // Envoy resets every ext_proc stream when it is done with it, and Node's HTTP/2 gives a connection up after 1,000.
  {
    transport: "grpc-js",
    outcome: "outlive the picker's connections",
    connectionsMin: LOAD_COUNT / STREAMS_PER_CONNECTION_MAX,
    connectionsMax: LOAD_COUNT,
  },
] as const;

it.each(TRANSPORTS)(
  `${LOAD_COUNT} requests in a row, and an answer that lasts as long, $outcome, $transport`,
  async ({ transport, connectionsMin, connectionsMax }) => {
    const { port, held } = await startHolding();
    const bed = await startBed([{ name: "holding", port }], {}, { ...WINDOWS, transport });
    const lasting = beginHttp(bed.port, { method: "POST", path: CHAT_PATH }, chatBody("a long one"));
    const last = await until("the server has the long one", () => held.pop());
    last.write("{");
    const response = await lasting.response;

    let isOver = false;
    const answering = answerLaterOnesFirst(held, () => isOver);
    const statuses = new Map<number, number>();
    const agent = new Agent({ keepAlive: true, maxSockets: WORKERS_COUNT });
    let left = LOAD_COUNT;
    const workers = Array.from({ length: WORKERS_COUNT }, async () => {
      while (left-- > 0) {
        const exchange = beginHttp(bed.port, { method: "POST", path: CHAT_PATH, agent }, chatBody(`Question ${left}`));
        const { status } = await readHttp(await exchange.response);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    });
    await Promise.all(workers);
    isOver = true;
    await answering;
    agent.destroy();
    expect([...statuses]).toEqual([[200, LOAD_COUNT]]);
    const connections = await pickerConnections(bed);
    expect(connections).toBeGreaterThanOrEqual(connectionsMin);
    expect(connections).toBeLessThanOrEqual(connectionsMax);
    expect(inFlight(bed)).toBe(1);
    last.end("}");
    expect((await readHttp(response)).text).toBe("{}");
    await untilNothingInFlight(bed);
  },
);

/** Answers what is held, the later ones first, so that requests do not begin and end in step. */
async function answerLaterOnesFirst(held: ServerResponse[], isOver: () => boolean): Promise<void> {
  await until(
    "all are answered",
    () => {
      for (const response of held.splice(held.length >> 1)) response.end("{}");
      return isOver() && held.length === 0;
    },
    60_000,
  );
}
