import { Agent } from "node:http";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { closeBeds, startBed, untilNothingInFlight } from "../support/envoy-bed.ts";
import { CHAT_PATH, chatBody } from "../support/ext-proc-messages.ts";
import { beginHttp, readHttp } from "../support/http-client.ts";
import { readMetric } from "../support/metrics.ts";
import { until } from "../support/until.ts";
import { startUpstream } from "../support/upstream.ts";

afterEach(closeBeds);

const LOAD_COUNT = 4_000;
const WORKERS_COUNT = 64;
const SHED_PERIOD_MS = 25;
const ANSWER_MS = 20;

/** Lets Envoy open another connection for each 16 streams at a time. */
const FEW_STREAMS = {
  typed_extension_protocol_options: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 16 } },
    },
  },
};

it(`${LOAD_COUNT} requests are all served while Envoy is told every ${SHED_PERIOD_MS} ms to replace a connection`, async () => {
  const { port } = await startUpstream({
    [CHAT_PATH]: (request, response) => {
      request.resume();
      request.on("end", () => systemClock.setTimeout(() => response.end("{}"), ANSWER_MS));
    },
  });
  const bed = await startBed([{ name: "slow", port }], { picker: FEW_STREAMS }, { streamWindowCount: 2_048 });
  const shedding = systemClock.setInterval(
    () => bed.epp.shards.tellOne(0, { kind: "shed", share: 0.5 }),
    SHED_PERIOD_MS,
  );
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
  shedding.cancel();
  agent.destroy();
  expect([...statuses]).toEqual([[200, LOAD_COUNT]]);
  const shedCount = await until("sheds are counted", () => {
    return readMetric(bed.epp.metricsPort, "endpoint_picker_connections_shed_total");
  });
  expect(shedCount).toBeGreaterThan(10);
  expect(await bed.stat("cluster.picker.upstream_cx_total")).toBeGreaterThan(10);
  await untilNothingInFlight(bed);
});
