import { afterEach, describe, expect, it } from "vitest";
import { type Devproxy, startDevproxy } from "../../src/devproxy/devproxy.ts";
import type { Simulator } from "../../src/simulator/simulator.ts";
import { closeEpps, LOOPBACK, startTestEpp, type TestEpp } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { bodyMessages, chatBody, readRequestAnswer, requestHeaders } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, nameOf, startSimulators } from "../support/fleet-of-simulators.ts";
import { getHttp, postChat, postHttp } from "../support/http-client.ts";
import { readMetric, readMetrics } from "../support/metrics.ts";
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
  readonly fleet: readonly Simulator[];
  readonly epp: TestEpp;
  readonly proxy: Devproxy;
  readonly client: ExtProcClient;
}

/** Client → development proxy → picker, and → simulated model servers. */
async function startBed(serverCount: number): Promise<Bed> {
  const fleet = await startSimulators(serverCount);
  const epp = await startTestEpp(addressesOf(fleet));
  const proxy = await startDevproxy({ host: LOOPBACK, port: 0, picker: { host: LOOPBACK, port: epp.grpcPort } });
  proxies.push(proxy);
  const client = new ExtProcClient(epp.grpcPort);
  clients.push(client);
  return { fleet, epp, proxy, client };
}

/** Prompts of some 3,000 bytes that share nothing. */
function prefixes(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `Story ${index}. `.repeat(300));
}

describe("a request", () => {
  it("goes through picker and proxy to a model server, and its answer comes back marked", async () => {
    const { fleet, proxy } = await startBed(2);
    const { status, headers, text } = await postChat(proxy.port, "Which bird likes shiny things?");
    expect(status).toBe(200);
    expect(headers["x-simulator"]).toBeOneOf(fleet.map(({ name }) => name));
    expect(headers["x-went-into-resp-headers"]).toBe("true");
    expect(JSON.parse(text)).toMatchObject({ object: "chat.completion", model: "simulated-8b" });
  });

  it("without a body goes to a model server too", async () => {
    const { proxy } = await startBed(2);
    const { status, text } = await getHttp(proxy.port, "/v1/models");
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ object: "list" });
  });

  it("with a long prefix that was seen before goes where it went before, for each of several", async () => {
    const { epp, proxy } = await startBed(4);
    const prompts = prefixes(8);
    const first = new Map<string, string | string[] | undefined>();
    for (const prompt of prompts) {
      first.set(prompt, (await postChat(proxy.port, `${prompt} First question.`)).headers["x-simulator"]);
    }
    expect(new Set(first.values()).size).toBeGreaterThan(1);
    for (const prompt of prompts.toReversed()) {
      const again = await postChat(proxy.port, `${prompt} Second question, which is another one.`);
      expect(again.headers["x-simulator"], epp.decisionLines.at(-1)).toBe(first.get(prompt));
      expect(JSON.parse(again.text).usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(500);
    }
    const explained = epp.decisionLines.filter((line) => line.includes("holds "));
    expect(explained).toHaveLength(prompts.length);
  });

  it("that streams is answered event by event to its end", async () => {
    const { proxy } = await startBed(1);
    const { text, headers } = await postChat(proxy.port, "Tell me.", { stream: true, max_tokens: 3 });
    expect(headers["content-type"]).toBe("text/event-stream; charset=utf-8");
    expect(text.match(/^data: \{/gm)).toHaveLength(4);
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  });

  it("is charged to its endpoint while its stream is open, in requests and tokens", async () => {
    const { epp, fleet, client } = await startBed(2);
    const stream = client.open();
    const answer = await stream.ask(chatBody("x".repeat(996)));
    if (answer.kind !== "routed") throw new Error(answer.text);
    const name = nameOf(fleet, answer.destination);
    const endpoint = { endpoint_name: name };
    // "user" and 996 bytes are 1,000 bytes, four to a token.
    const open = await readMetrics(epp.metricsPort);
    expect(open.value("endpoint_picker_inflight_requests", endpoint)).toBe(1);
    expect(open.value("endpoint_picker_inflight_tokens", endpoint)).toBe(250);
    stream.cancel();
    await until("the charge is returned", async () => {
      return (await readMetric(epp.metricsPort, "endpoint_picker_inflight_requests", endpoint)) === 0;
    });
    const closed = await readMetrics(epp.metricsPort);
    expect(closed.value("endpoint_picker_inflight_tokens", endpoint)).toBe(0);
    expect(closed.value("endpoint_picker_streams_inflight")).toBe(0);
  });
});

describe("a bad body", () => {
  const DEPTH = 100_000;
  const BODIES = [
    { name: "that is not JSON", body: "You are a bird." },
    { name: "that is cut", body: '{"model":"simulated-8b","messages":[{"role":' },
    { name: "that nests 100,000 deep", body: `{"messages":${"[".repeat(DEPTH)}${"]".repeat(DEPTH)}}` },
    { name: "without a model", body: '{"messages":[{"role":"user","content":"hi"}]}' },
  ];

  it("gets 400 with the reason, and a stream in progress is not harmed", async () => {
    const { proxy, client, epp } = await startBed(2);
    const stream = client.open();
    const body = chatBody("x".repeat(50_000));
    const pieces = bodyMessages("requestBody", body, { pieceSize: 10_000 });
    stream.send(requestHeaders(), ...pieces.slice(0, 2));
    for (const bad of BODIES) {
      const { status, text } = await postHttp(proxy.port, "/v1/chat/completions", Buffer.from(bad.body));
      expect([bad.name, status]).toEqual([bad.name, 400]);
      expect(text).toMatch(/^inference error: BadRequest - /);
    }
    stream.send(...pieces.slice(2));
    const answers = await stream.answered((all) => all.length === 2);
    const answer = readRequestAnswer(answers);
    expect(answer.kind === "routed" && answer.body.equals(body)).toBe(true);
    const refusals = await readMetric(epp.metricsPort, "endpoint_picker_refusals_total", { error_code: "BadRequest" });
    expect(refusals).toBe(BODIES.length);
  });

  it("that is too large gets 413", async () => {
    const { proxy } = await startBed(1);
    const { status, text } = await postHttp(proxy.port, "/v1/chat/completions", chatBody("x".repeat(5 * 1024 * 1024)));
    expect([status, text]).toEqual([
      413,
      "inference error: PayloadTooLarge - request body is larger than 4194304 bytes",
    ]);
  });

  it("of the proxy's own language ends its stream with an error, and no other", async () => {
    const { client, epp } = await startBed(1);
    const stream = client.open();
    stream.send(requestHeaders());
    const broken = client.open();
    broken.sendBytes(Buffer.alloc(32, 0xff));
    expect(await broken.ended).toMatchObject({ code: 2, details: expect.stringContaining("malformed message") });
    stream.send(...bodyMessages("requestBody", chatBody("hello")));
    await stream.answered((all) => all.length === 2);
    expect(await readMetric(epp.metricsPort, "endpoint_picker_protocol_errors_total")).toBe(1);
  });
});

describe("metrics", () => {
  it("count what happened: picks, blocks, models by name, scrapes, streams", async () => {
    const { epp, client } = await startBed(2);
    const prompt = "y".repeat(2_044);
    for (const model of ["model-a", "model-a", "model-b"]) await client.ask(chatBody(prompt, model));
    await until("model-b has a number", async () => {
      return (
        (await readMetric(epp.metricsPort, "endpoint_picker_requests_total", { model_name: "model-b" })) !== undefined
      );
    });
    for (const model of ["model-a", "model-b", "model-b"]) await client.ask(chatBody(prompt, model));
    await until("endpoints were scraped", async () => {
      return ((await readMetric(epp.metricsPort, "endpoint_picker_scrapes_total", { outcome: "success" })) ?? 0) >= 2;
    });
    await until("blocks are in the index", async () => {
      return (await readMetric(epp.metricsPort, "endpoint_picker_index_blocks")) === 16;
    });
    const page = await readMetrics(epp.metricsPort);
    expect({
      picks: page.value("endpoint_picker_picks_total"),
      streams: page.value("endpoint_picker_streams_total"),
      promptBlocks: page.value("endpoint_picker_prompt_blocks_total"),
      matchedBlocks: page.value("endpoint_picker_matched_blocks_total"),
      reachable: page.value("endpoint_picker_endpoints", { state: "reachable" }),
      unreachable: page.value("endpoint_picker_endpoints", { state: "unreachable" }),
      shardRestarts: page.value("endpoint_picker_thread_restarts_total", { thread: "shard" }),
      indexWriterRestarts: page.value("endpoint_picker_thread_restarts_total", { thread: "index-writer" }),
    }).toEqual({
      picks: 6,
      streams: 6,
      // "user" and 2,044 bytes are 8 blocks of 256; of each model's 3 requests, the last 2 found them all.
      promptBlocks: 48,
      matchedBlocks: 32,
      reachable: 2,
      unreachable: 0,
      shardRestarts: 0,
      indexWriterRestarts: 0,
    });
    // Until a name is known its requests are "other", and knowing it takes a moment.
    const byModel = (model: string): number => {
      return page.value("endpoint_picker_requests_total", { model_name: model }) ?? 0;
    };
    expect(byModel("model-a") + byModel("model-b") + byModel("other")).toBe(6);
    expect(byModel("model-b")).toBeGreaterThanOrEqual(2);
    expect(byModel("model-a")).toBeGreaterThanOrEqual(1);
  });
});
