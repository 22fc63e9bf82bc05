/** The metrics page of a picker that has served, streamed and refused: against the Go picker's, and what happened. */
import { afterEach, describe, expect, it } from "vitest";
import { type Devproxy, startDevproxy } from "../../src/devproxy/devproxy.ts";
import { supportsReusePort } from "../../src/shards/pool.ts";
import { closeEpps, LOOPBACK, startTestEpp, type TestEpp } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { GO_METRICS, readExposed } from "../support/go-metrics.ts";
import { getHttp, postChat, postHttp } from "../support/http-client.ts";
import { type MetricsPage, readMetrics } from "../support/metrics.ts";
import { until } from "../support/until.ts";

const proxies: Devproxy[] = [];
const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await closeEpps();
  await closeSimulators();
});

interface Bed {
  readonly epp: TestEpp;
  readonly proxy: Devproxy;
}

async function startBed(options: Parameters<typeof startTestEpp>[1] = {}): Promise<Bed> {
  const fleet = await startSimulators(2);
  const epp = await startTestEpp(addressesOf(fleet), { poolName: "birds", poolGaugesRefreshMs: 20, ...options });
  const proxy = await startDevproxy({ host: LOOPBACK, port: 0, picker: { host: LOOPBACK, port: epp.grpcPort } });
  proxies.push(proxy);
  return { epp, proxy };
}

const MODEL = "simulated-8b";
const LABELS = { model_name: MODEL, target_model_name: MODEL, fairness_id: "default-flow", priority: "0" };

/** Three answers whole, two streamed, one refused; waits until all of their streams are over. */
async function serve({ epp, proxy }: Bed): Promise<MetricsPage> {
  for (let index = 0; index < 3; index++) await postChat(proxy.port, "A long prompt about magpies. ".repeat(20));
  const options = { stream: true, stream_options: { include_usage: true }, max_tokens: 4 };
  for (let index = 0; index < 2; index++) await postChat(proxy.port, "Tell me.", options);
  await postHttp(proxy.port, "/v1/chat/completions", Buffer.from("You are a bird."));
  await until("all streams are over", async () => {
    const page = await readMetrics(epp.metricsPort);
    return page.value("endpoint_picker_streams_total") === 6 && page.value("endpoint_picker_streams_inflight") === 0;
  });
  return await readMetrics(epp.metricsPort);
}

/** What no request and no fault of this test brings about. */
const WITHOUT_SERIES = /plugin_duration_seconds|model_rewrite_decisions_total|datalayer_\w+_errors_total/;

describe("the metrics page", () => {
  it("has every metric of the Go picker, with its type, labels and buckets", async () => {
    const exposed = readExposed((await serve(await startBed({ streamMetrics: true }))).text);
    for (const [name, golden] of Object.entries(GO_METRICS)) {
      const metric = exposed.get(name);
      expect(metric?.type, name).toBe(golden.type);
      expect(metric?.labelSets, name).toEqual(WITHOUT_SERIES.test(name) ? [] : [golden.labels.join()]);
      if (!WITHOUT_SERIES.test(name)) expect(metric?.bounds, name).toEqual(golden.buckets);
    }
  });

  it("leaves out older names and metrics of streams where they are not wanted", async () => {
    const { epp } = await startBed({ deprecatedMetrics: false });
    const exposed = readExposed((await readMetrics(epp.metricsPort)).text);
    const wanted = Object.entries(GO_METRICS).filter(([, { deprecated, optIn }]) => !deprecated && !optIn);
    const own = [...exposed.keys()].filter((name) => !/^(?:endpoint_picker|process|nodejs)_/.test(name));
    expect(own.sort()).toEqual(wanted.map(([name]) => name).sort());
  });

  it("counts what was served, streamed and refused", async () => {
    const page = await serve(await startBed());
    const count = (name: string, labels = {}): number | undefined => page.value(name, { ...LABELS, ...labels });
    expect(count("llm_d_epp_request_total")).toBe(5);
    expect(page.value("inference_objective_request_total", { model_name: MODEL })).toBe(5);
    expect(count("llm_d_epp_request_running")).toBe(0);
    for (const name of ["duration_seconds", "size_bytes", "input_tokens", "output_tokens", "ntpot_seconds"]) {
      expect(count(`llm_d_epp_request_${name}_count`), name).toBe(5);
    }
    expect(count("llm_d_epp_response_size_bytes_count")).toBe(5);
    expect(count("llm_d_epp_request_ttft_seconds_count", { streaming: "false" })).toBe(3);
    expect(count("llm_d_epp_request_ttft_seconds_count", { streaming: "true" })).toBe(2);
    expect(count("llm_d_epp_request_streaming_tpot_seconds_count")).toBe(2);
    const none = { model_name: "", target_model_name: "", error_code: "BadRequest" };
    expect(count("llm_d_epp_request_error_total", none)).toBe(1);
    expect(page.value("llm_d_epp_scheduler_e2e_duration_seconds_count")).toBe(5);
    expect(page.value("llm_d_epp_request_processing_duration_seconds_count")).toBe(6);
    expect(page.value("llm_d_epp_response_processing_duration_seconds_count")).toBe(5);
    expect(page.value("llm_d_epp_ready_endpoints", { name: "birds" })).toBe(2);
  });

  it("counts no request without a body, and picks by endpoint", async () => {
    const { epp, proxy } = await startBed();
    await getHttp(proxy.port, "/v1/models");
    await postChat(proxy.port, "Which bird?");
    const page = await readMetrics(epp.metricsPort);
    const attempts = ["sim-0", "sim-1"].map((name) => {
      return page.value("llm_d_epp_scheduler_attempts_total", { status: "success", endpoint_name: name }) ?? 0;
    });
    expect(attempts.sort()).toEqual([0, 1]);
    expect(page.value("llm_d_epp_request_total", LABELS)).toBe(1);
  });

  it.runIf(supportsReusePort())("adds up what several shards count", async () => {
    const { epp } = await startBed({ shardCount: 2 });
    // A connection stays with the shard that took it: with 16 of them both have some.
    const asked = Array.from({ length: 16 }, async () => {
      const client = new ExtProcClient(epp.grpcPort);
      clients.push(client);
      await client.ask(chatBody("Which bird?", MODEL));
    });
    await Promise.all(asked);
    await until("all streams are over", async () => {
      return (await readMetrics(epp.metricsPort)).value("endpoint_picker_streams_inflight") === 0;
    });
    const page = await readMetrics(epp.metricsPort);
    expect(page.value("llm_d_epp_request_total", LABELS)).toBe(16);
    expect(page.value("llm_d_epp_request_running", LABELS)).toBe(0);
    expect(page.value("llm_d_epp_scheduler_e2e_duration_seconds_count")).toBe(16);
  });

  it("shows a request as running and in flight while its stream is open, and what a dead shard had as over", async () => {
    const { epp } = await startBed();
    const client = new ExtProcClient(epp.grpcPort);
    clients.push(client);
    const stream = client.open();
    await stream.ask(chatBody("x".repeat(996), MODEL));
    const open = await readMetrics(epp.metricsPort);
    const flow = { fairness_id: "default-flow", priority: "0", producer_name: "inflight-load-producer" };
    expect(open.value("llm_d_epp_request_running", LABELS)).toBe(1);
    expect(open.value("inference_objective_running_requests", { model_name: MODEL })).toBe(1);
    expect(open.value("llm_d_epp_inflight_requests", flow)).toBe(1);
    expect(open.value("llm_d_epp_inflight_tokens", flow)).toBe(250);
    await epp.shards.kill(0);
    await stream.ended;
    await until("the shard is back", async () => epp.logLines.some(({ msg }) => msg === "no longer degraded"));
    const after = await readMetrics(epp.metricsPort);
    expect(after.value("llm_d_epp_request_running", LABELS)).toBe(0);
    expect(after.value("llm_d_epp_inflight_requests", flow)).toBe(0);
    expect(after.value("llm_d_epp_request_total", LABELS)).toBe(1);
  });
});
