import { Agent } from "node:http";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { closeBeds, startProxy } from "../support/envoy-bed.ts";
import { LOOPBACK } from "../support/epp.ts";
import { CHAT_PATH, chatBody } from "../support/ext-proc-messages.ts";
import { beginHttp, readHttp } from "../support/http-client.ts";
import { type PickerProgram, startPickerProgram } from "../support/picker-program.ts";
import { endPrograms } from "../support/programs.ts";
import { until } from "../support/until.ts";
import { startUpstream } from "../support/upstream.ts";

afterEach(async () => {
  await closeBeds();
  await endPrograms();
});

const WORKERS_COUNT = 32;

/** A server that takes up to 50 ms for an answer, so that requests are under way at any moment. */
async function startSlowUpstream() {
  let receivedCount = 0;
  const { port } = await startUpstream({
    [CHAT_PATH]: (request, response) => {
      receivedCount++;
      request.resume();
      request.on("end", () => systemClock.setTimeout(() => response.end("{}"), receivedCount % 50));
    },
  });
  return { endpoint: { name: "slow", port }, receivedCount: () => receivedCount };
}

/** Requests without a pause, until `end`. */
function startLoad(port: number) {
  const statuses = new Map<number, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: WORKERS_COUNT });
  let isOver = false;
  let answeredCount = 0;
  const workers = Array.from({ length: WORKERS_COUNT }, async (_, worker) => {
    while (!isOver) {
      const exchange = beginHttp(port, { method: "POST", path: CHAT_PATH, agent }, chatBody(`Question ${worker}`));
      const { status } = await readHttp(await exchange.response);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      answeredCount++;
    }
  });
  return {
    statuses,
    /** Resolves when so many more requests have been answered. */
    async untilAnswered(count: number): Promise<void> {
      const wanted = answeredCount + count;
      await until(`${count} more requests are answered`, () => answeredCount >= wanted);
    },
    async end(): Promise<void> {
      isOver = true;
      await Promise.all(workers);
      agent.destroy();
    },
  };
}

/** A cluster of pickers whose health Envoy checks five times a second. */
function checkedPickers(pickers: readonly PickerProgram[]): object {
  const check = { timeout: "1s", interval: "0.2s", no_traffic_interval: "0.2s" };
  const service = { service_name: "envoy.service.ext_proc.v3.ExternalProcessor" };
  const lbEndpoints = pickers.map(({ grpcPort, healthPort }) => ({
    endpoint: {
      address: { socket_address: { address: LOOPBACK, port_value: grpcPort } },
      health_check_config: { port_value: healthPort },
    },
  }));
  return {
    load_assignment: { cluster_name: "picker", endpoints: [{ lb_endpoints: lbEndpoints }] },
    health_checks: [{ grpc_health_check: service, ...check, unhealthy_threshold: 1, healthy_threshold: 1 }],
  };
}

it("of two pickers one can end under load, and no request fails", async () => {
  const { endpoint, receivedCount } = await startSlowUpstream();
  const args = ["--drain-notice", "2s", "--drain-timeout", "20s"];
  const pickers = await Promise.all([startPickerProgram([endpoint], args), startPickerProgram([endpoint], args)]);
  const { port } = await startProxy(0, { picker: checkedPickers(pickers) });
  const load = startLoad(port);
  await load.untilAnswered(500);
  pickers[0].program.signal("SIGTERM");
  expect(await pickers[0].program.ended).toBe(0);
  await load.untilAnswered(500);
  await load.end();
  expect([...load.statuses]).toEqual([[200, receivedCount()]]);
});

it("the only picker ends under load, and no request fails that it had picked for", async () => {
  const { endpoint, receivedCount } = await startSlowUpstream();
  const picker = await startPickerProgram([endpoint]);
  const { port } = await startProxy(picker.grpcPort);
  const load = startLoad(port);
  await load.untilAnswered(500);
  picker.program.signal("SIGTERM");
  expect(await picker.program.ended).toBe(0);
  await load.untilAnswered(WORKERS_COUNT);
  await load.end();
  // A request that was not picked for has not reached the server.
  expect(load.statuses.get(200)).toBe(receivedCount());
  expect([...load.statuses.keys()].toSorted((a, b) => a - b)).toEqual([200, 500]);
});
