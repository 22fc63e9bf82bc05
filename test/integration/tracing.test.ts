/** Traces of a picker at a real collector: OTLP by gRPC over the loopback interface. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { TracingSettings } from "../../src/telemetry/tracing/settings.ts";
import { closeEpps, startTestEpp, type TestEpp } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { readMetric } from "../support/metrics.ts";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "../support/otlp-receiver.ts";
import { startPickerProgram } from "../support/picker-program.ts";
import { endPrograms } from "../support/programs.ts";
import { until } from "../support/until.ts";

const clients: ExtProcClient[] = [];
const receivers: OtlpReceiver[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const client of clients.splice(0)) client.close();
  await endPrograms();
  await closeEpps();
  await closeSimulators();
  for (const receiver of receivers.splice(0)) receiver.close();
});

const ALWAYS: TracingSettings = {
  exporter: "otlp",
  sampler: { kind: "always_on", isParentBased: true, ratio: 1 },
  exportDelayMs: 20,
};

interface Bed {
  readonly epp: TestEpp;
  readonly client: ExtProcClient;
  readonly receiver: OtlpReceiver;
}

async function startBed(tracing: TracingSettings | undefined): Promise<Bed> {
  const receiver = await startOtlpReceiver();
  receivers.push(receiver);
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint);
  const fleet = await startSimulators(1);
  const epp = await startTestEpp(addressesOf(fleet), { tracing, poolGaugesRefreshMs: 20 });
  const client = new ExtProcClient(epp.grpcPort);
  clients.push(client);
  return { epp, client, receiver };
}

/** The spans of the receiver once there are this many. */
async function received({ spans }: OtlpReceiver, count: number): Promise<ReadonlyMap<string, ReceivedSpan>> {
  await until(`${count} spans are received`, async () => spans.length >= count);
  return new Map(spans.map((span) => [span.name, span]));
}

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";
const SAMPLED = [
  { name: "traceparent", value: `00-${TRACE}-${CALLER}-01` },
  { name: "tracestate", value: "vendor=1" },
  { name: "baggage", value: "tenant=birds" },
];

describe("traces", () => {
  it("join the caller's, and carry it on", async () => {
    const { client, receiver } = await startBed(ALWAYS);
    const answer = await client.ask(chatBody("x".repeat(2_000)), { more: SAMPLED });
    const spans = await received(receiver, 3);
    const request = spans.get("gateway.request");
    const orchestration = spans.get("gateway.request_orchestration");
    const profile = spans.get("run_scheduler_profile");
    expect(receiver.spans.map(({ traceId, service }) => [traceId, service])).toEqual(
      Array.from({ length: 3 }, () => [TRACE, "llm-d-epp"]),
    );
    expect(request).toMatchObject({ parentId: CALLER, kind: 2 });
    expect(orchestration?.parentId).toBe(request?.spanId);
    expect(profile?.parentId).toBe(orchestration?.spanId);
    expect(request?.attributes["gen_ai.request.model"]).toBe("simulated-8b");
    expect(profile?.attributes["llm_d.epp.candidate_count"]).toBe(1);
    expect(answer.headers["traceparent"]).toBe(`00-${TRACE}-${request?.spanId}-01`);
    expect(answer.headers["tracestate"]).toBe("vendor=1");
    expect(answer.headers["baggage"]).toBe("tenant=birds");
    // Each span lies within the one above it.
    for (const [inner, outer] of [
      [profile, orchestration],
      [orchestration, request],
    ]) {
      expect(inner?.startNs).toBeGreaterThanOrEqual(outer?.startNs ?? 0n);
      expect(inner?.endNs).toBeLessThanOrEqual(outer?.endNs ?? 0n);
    }
  });

  it("begin here when the caller has none", async () => {
    const { client, receiver } = await startBed(ALWAYS);
    const answer = await client.ask(chatBody("Which bird?"));
    const request = (await received(receiver, 3)).get("gateway.request");
    expect(request?.parentId).toBe("");
    expect(answer.headers["traceparent"]).toBe(`00-${request?.traceId}-${request?.spanId}-01`);
  });

  it("tell of the response: status, first byte, tokens", async () => {
    const { client, receiver } = await startBed(ALWAYS);
    const stream = client.open();
    await stream.ask(chatBody("Which bird?"), { more: SAMPLED });
    const usage = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 };
    stream.send(
      { kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] },
      { kind: "responseBody", body: Buffer.from('{"choices":[],') },
      { kind: "responseBody", body: Buffer.from(`"usage":${JSON.stringify(usage)}}`), endOfStream: true },
    );
    stream.halfClose();
    await stream.ended;
    const request = (await received(receiver, 3)).get("gateway.request");
    expect(request?.attributes).toMatchObject({
      "http.response.status_code": 200,
      "gen_ai.usage.input_tokens": 3,
      "gen_ai.usage.output_tokens": 5,
    });
    expect(request?.events).toEqual(["first response bytes"]);
  });

  it("tell that a request was refused, and why", async () => {
    const { client, receiver } = await startBed(ALWAYS);
    await client.ask(Buffer.from("You are a bird."), { more: SAMPLED });
    const request = (await received(receiver, 1)).get("gateway.request");
    expect(request).toMatchObject({ statusCode: 2, attributes: { "error.type": "BadRequest" } });
  });

  it("follow a caller that does not want to be traced: its trace is carried on, no span is made", async () => {
    const { client, receiver, epp } = await startBed(ALWAYS);
    const headers = [{ name: "traceparent", value: `00-${TRACE}-${CALLER}-00` }];
    const answer = await client.ask(chatBody("Which bird?"), { more: headers });
    expect(answer.headers["traceparent"]).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
    // The next one is traced: had the first one been, its spans would have come before.
    await client.ask(chatBody("Which bird?"), { more: SAMPLED });
    await received(receiver, 3);
    expect(receiver.spans).toHaveLength(3);
    expect(await readMetric(epp.metricsPort, "endpoint_picker_spans_total", { outcome: "exported" })).toBe(3);
  });

  it("are not there where nobody asked for them: no span, no header", async () => {
    const { client, receiver, epp } = await startBed(undefined);
    const answer = await client.ask(chatBody("Which bird?"), { more: SAMPLED });
    expect(Object.keys(answer.headers)).not.toContain("traceparent");
    await epp.close(0);
    expect(receiver.spans).toEqual([]);
  });

  it("that the collector does not take are counted, and the health details say so; requests do not notice", async () => {
    const { client, receiver, epp } = await startBed(ALWAYS);
    receiver.close();
    expect((await client.ask(chatBody("Which bird?"), { more: SAMPLED })).kind).toBe("routed");
    await until("the loss is told", async () => {
      return epp.logLines.some((line) => line["state"] === "spans-lost");
    });
    expect(await readMetric(epp.metricsPort, "endpoint_picker_spans_total", { outcome: "failed" })).toBeGreaterThan(0);
  });

  it("that wait when the picker ends are sent before it does", async () => {
    const { client, receiver, epp } = await startBed({ ...ALWAYS, exportDelayMs: 60_000 });
    await client.ask(chatBody("Which bird?"), { more: SAMPLED });
    await epp.close(1_000);
    expect(receiver.spans).toHaveLength(3);
  });
});

describe("the program", () => {
  const EVERY = { OTEL_TRACES_EXPORTER: "console", OTEL_TRACES_SAMPLER: "always_on", OTEL_BSP_SCHEDULE_DELAY: "20" };

  /** Standard output of a picker that has picked once, has printed `awaited` and was told to end. */
  async function outputOf(args: readonly string[], environment: NodeJS.ProcessEnv, awaited = ""): Promise<string> {
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    const { grpcPort, program } = await startPickerProgram(addressesOf(await startSimulators(1)), args);
    const client = new ExtProcClient(grpcPort);
    clients.push(client);
    expect((await client.ask(chatBody("Which bird?"), { more: SAMPLED })).kind).toBe("routed");
    client.close();
    await until("the output is there", async () => program.output.join("\n").includes(awaited));
    program.signal("SIGTERM");
    expect(await program.ended).toBe(0);
    return program.output.join("\n");
  }

  it("prints spans where the environment asks for the console", async () => {
    // The last of the three to end.
    const output = await outputOf([], EVERY, "name: 'gateway.request',");
    for (const name of ["gateway.request", "gateway.request_orchestration", "run_scheduler_profile"]) {
      expect(output).toContain(`name: '${name}'`);
    }
  });

  it.each([
    ["nothing is asked for", [], {}],
    ["--tracing=false", ["--tracing=false"], EVERY],
  ])("prints none with %s", async (_name, args, environment) => {
    expect(await outputOf(args, environment)).toBe("");
  });
});
