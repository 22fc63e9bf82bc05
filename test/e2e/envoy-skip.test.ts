/**
 * Responses whose bodies the picker does not look at, by each way that there is: the proxy hides them, the picker asks
 * for it, or the proxy shows them all the same. In all of them a request is in flight until its response is over.
 */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { loadConfiguration } from "../../src/configuration.ts";
import type { ResponseBodies } from "../../src/start/envoy-config.ts";
import { findEnvoy } from "../support/envoy.ts";
import {
  type Bed,
  closeBeds,
  inFlight,
  type ProxyOptions,
  startBed,
  untilNothingInFlight,
} from "../support/envoy-bed.ts";
import { CHAT_PATH, chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, startSimulators } from "../support/fleet-of-simulators.ts";
import { type HeldUpstream, startHeldUpstream } from "../support/held-upstream.ts";
import { beginHttp, getHttp, postChat, postHttp, readHttp } from "../support/http-client.ts";
import { closeHttp2Upstreams, startHttp2Upstream } from "../support/http2-upstream.ts";
import { readMetric, readMetrics } from "../support/metrics.ts";
import { until } from "../support/until.ts";
import { startUpstream } from "../support/upstream.ts";

afterEach(async () => {
  await closeBeds();
  await closeHttp2Upstreams();
});

const EVENTS = { "content-type": "text/event-stream" };
const BODY = chatBody("hello", undefined, { stream: true });
/** Requests that are answered at once, this many at a time: within the stream windows of a test's picker. */
const QUICK = Array.from({ length: 25 });
const QUICK_ROUNDS = 8;
const SHIPPED_FOLDER = "deploy/envoy";

interface Way {
  readonly name: string;
  readonly proxy: ProxyOptions;
  /** Whether pieces of a body come to the picker. */
  readonly isShown: boolean;
}

const shipped = (responseBodies: ResponseBodies): ProxyOptions => ({ responseBodies });

const WAYS: readonly Way[] = [
  { name: "hidden by the proxy", proxy: shipped("hidden"), isShown: false },
  { name: "hidden when the picker asks for it", proxy: shipped("chosen"), isShown: false },
  {
    name: "hidden when the picker asks for it, in modes other than full duplex",
    proxy: {
      externalProcessor: { allow_mode_override: true },
      // Trailers, too, are asked for by the picker.
      processingMode: {
        request_body_mode: "BUFFERED",
        response_body_mode: "STREAMED",
        request_trailer_mode: "SKIP",
        response_trailer_mode: "SKIP",
      },
    },
    isShown: false,
  },
  { name: "shown all the same", proxy: shipped("shown"), isShown: true },
  {
    name: "shown all the same, though full duplex, which allows no override, lets itself be told to allow it",
    proxy: { externalProcessor: { allow_mode_override: true } },
    isShown: true,
  },
];

type Handling = "observe" | "skip";

async function startFor(
  handling: Handling,
  endpoints: readonly { readonly name: string; readonly port: number }[],
  proxy: ProxyOptions,
): Promise<Bed> {
  const text = `requestHandler: {responseBody: ${handling}}\nplugins: [{type: queue-scorer}]`;
  const source = { kind: "text", text, name: "test.yaml" } as const;
  const config = await loadConfiguration(source, { pluginPaths: [], allowExperimental: false });
  return await startBed(endpoints, proxy, { config });
}

async function startHeld(proxy: ProxyOptions): Promise<{ readonly bed: Bed; readonly upstream: HeldUpstream }> {
  const upstream = await startHeldUpstream(EVENTS);
  return { bed: await startFor("skip", [{ name: "held", port: upstream.port }], proxy), upstream };
}

async function begin({ port }: Bed): Promise<{ readonly response: IncomingMessage; abort(): void }> {
  const { request, response } = beginHttp(port, { method: "POST", path: CHAT_PATH }, BODY);
  request.on("error", () => undefined);
  return { response: await response, abort: () => void request.destroy() };
}

/** Resolves when the client has this much of a body. */
async function untilReceived(response: IncomingMessage, wanted: string): Promise<void> {
  let text = "";
  await new Promise<void>((resolve) => {
    response.on("data", (piece: Buffer) => {
      text += String(piece);
      if (text === wanted) resolve();
    });
  });
}

function states({ epp }: Bed): string[] {
  return epp.degraded.list().map(({ code }) => code);
}

const messagesSent = (bed: Bed): Promise<number> => bed.stat("http.requests.ext_proc.stream_msgs_sent");

describe.each(WAYS)("bodies of responses that are $name", ({ proxy, isShown }) => {
  it("keep their request in flight until the response is over, however slowly it comes", async () => {
    const { bed, upstream } = await startHeld(proxy);
    const { response } = await begin(bed);
    await untilReceived(response, "data: 1\n\n");
    const sentBefore = await messagesSent(bed);
    const answer = await upstream.answer(0);
    for (const text of ["data: 2\n\n", "data: 3\n\n", "data: 4\n\n"]) {
      const received = untilReceived(response, text);
      answer.write(text);
      await received;
      expect(inFlight(bed)).toBe(1);
    }
    expect((await messagesSent(bed)) - sentBefore).toBe(isShown ? 3 : 0);
    expect(inFlight(bed)).toBe(1);
    const ended = new Promise((resolve) => response.on("end", resolve));
    answer.end();
    await ended;
    await untilNothingInFlight(bed);
    expect(await readMetric(bed.epp.metricsPort, "endpoint_picker_exchanges_total", { cause: "natural" })).toBe(1);
  });

  it("do not hold a request in flight whose client goes away", async () => {
    const { bed, upstream } = await startHeld(proxy);
    const { response, abort } = await begin(bed);
    response.on("error", () => undefined);
    expect(inFlight(bed)).toBe(1);
    abort();
    await untilNothingInFlight(bed);
    await until("the server is told", () => upstream.closedCount() === 1);
  });

  it("do not hold a request in flight whose server cuts its answer", async () => {
    const { bed, upstream } = await startHeld(proxy);
    const { response } = await begin(bed);
    const whole = readHttp(response);
    (await upstream.answer(0)).socket?.resetAndDestroy();
    await expect(whole).rejects.toThrow("aborted");
    await untilNothingInFlight(bed);
  });

  it("do not hold a request in flight that is refused, nor one whose server does not answer", async () => {
    const { port } = await startUpstream({ [CHAT_PATH]: (incoming) => void incoming.socket.resetAndDestroy() });
    const bed = await startFor("skip", [{ name: "breaks", port }], proxy);
    expect((await postHttp(bed.port, CHAT_PATH, Buffer.from("not JSON"))).status).toBe(400);
    expect((await postChat(bed.port, "hello")).status).toBe(503);
    await untilNothingInFlight(bed);
  });

  it("arrive byte for byte, and are not counted", async () => {
    const bed = await startFor("skip", addressesOf(await startSimulators(2)), proxy);
    const streamed = await postChat(bed.port, "hello", { stream: true, stream_options: { include_usage: true } });
    expect([streamed.status, streamed.headers["x-went-into-resp-headers"]]).toEqual([200, "true"]);
    expect(streamed.text).toMatch(/"usage".*\n\ndata: \[DONE\]\n\n$/s);
    const whole = await postChat(bed.port, "hello");
    expect(JSON.parse(whole.text)).toMatchObject({ usage: { completion_tokens: expect.any(Number) as number } });
    expect(JSON.parse((await getHttp(bed.port, "/v1/models")).text)).toMatchObject({ object: "list" });
    await untilNothingInFlight(bed);
    const page = await readMetrics(bed.epp.metricsPort);
    expect(page.value("endpoint_picker_response_tokens_total", { kind: "completion" })).toBe(0);
    expect(page.value("llm_d_epp_request_ttft_seconds_count")).toBeUndefined();
    expect(page.value("llm_d_epp_response_size_bytes_count") ?? 0).toBe(0);
    expect(page.value("llm_d_epp_request_duration_seconds_count")).toBe(2);
    expect(page.value("endpoint_picker_exchanges_total", { cause: "natural" })).toBe(3);
  });

  it("lose no piece, however soon it comes after the headers", async () => {
    const { port } = await startUpstream({
      [CHAT_PATH]: (incoming, response) => {
        incoming.resume();
        response.writeHead(200, EVENTS);
        response.write("data: 1\n\n");
        incoming.on("end", () => response.end("data: 2\n\n"));
      },
    });
    const bed = await startFor("skip", [{ name: "quick", port }], proxy);
    for (let round = 0; round < QUICK_ROUNDS; round++) {
      const answers = await Promise.all(QUICK.map(() => postHttp(bed.port, CHAT_PATH, BODY)));
      expect(answers.map(({ text }) => text)).toEqual(QUICK.map(() => "data: 1\n\ndata: 2\n\n"));
    }
    await untilNothingInFlight(bed);
  });

  it("leave trailers as they are", async () => {
    const upstream = await startHttp2Upstream("data: 1\n\n", { "x-checksum": "2" });
    const http2 = { explicit_http_config: { http2_protocol_options: {} } };
    const options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    const typed = { [options]: { "@type": `type.googleapis.com/${options}`, ...http2 } };
    const modelServers = { typed_extension_protocol_options: typed };
    const bed = await startFor("skip", [{ name: "http2", port: upstream.port }], { ...proxy, modelServers });
    expect((await postHttp(bed.port, CHAT_PATH, BODY)).text).toBe("data: 1\n\n");
    await untilNothingInFlight(bed);
  });

  it("are a degraded state where they are shown all the same, and none otherwise", async () => {
    const bed = await startFor("skip", addressesOf(await startSimulators(1)), proxy);
    for (let count = 0; count < 3; count++)
      expect((await postChat(bed.port, "hello", { stream: true })).status).toBe(200);
    await untilNothingInFlight(bed);
    expect(states(bed)).toEqual(isShown ? ["response-bodies-shown"] : []);
    const lines = bed.epp.logLines.filter((line) => line["state"] === "response-bodies-shown");
    expect(lines.length).toBe(isShown ? 1 : 0);
  });
});

describe("a renamed request", () => {
  it.each([
    { bodies: "chosen", name: "asked" },
    { bodies: "hidden", name: "renamed" },
  ] as const)("gets the name $name in its response where bodies are $bodies", async ({ bodies, name }) => {
    const { port } = await startUpstream({
      [CHAT_PATH]: (incoming, response) => {
        incoming.resume();
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ model: "renamed", choices: [] }));
      },
    });
    const bed = await startFor("skip", [{ name: "one", port }], shipped(bodies));
    const headers = { "x-llm-d-model-name-rewrite": "renamed" };
    const exchange = beginHttp(bed.port, { method: "POST", path: CHAT_PATH, headers }, chatBody("hello", "asked"));
    expect(JSON.parse((await readHttp(await exchange.response)).text)).toMatchObject({ model: name });
    await untilNothingInFlight(bed);
    expect(states(bed)).toEqual([]);
  });
});

describe("a proxy", () => {
  it("that hides bodies which are wanted is a degraded state", async () => {
    const bed = await startFor("observe", addressesOf(await startSimulators(1)), shipped("hidden"));
    expect((await postChat(bed.port, "hello", { stream: true })).status).toBe(200);
    await untilNothingInFlight(bed);
    expect(states(bed)).toEqual(["response-bodies-hidden"]);
  });

  it("without trailers ends streams where responses begin, and charges with them; 32 in a row are told", async () => {
    const { bed, upstream } = await startHeld({
      responseBodies: "hidden",
      processingMode: { response_trailer_mode: "SKIP" },
    });
    // A busy machine tells of an end so late that it does not look like one at the headers: it takes some more then.
    for (let index = 0; states(bed).length === 0 && index < 320; index++) {
      const { response } = await begin(bed);
      await untilNothingInFlight(bed);
      const whole = readHttp(response);
      (await upstream.answer(index)).end("data: 2\n\n");
      expect((await whole).text).toBe("data: 1\n\ndata: 2\n\n");
    }
    expect(states(bed)).toEqual(["streams-end-early"]);
  });
});

it("what is lost is said at start", async () => {
  const bed = await startFor("skip", [], shipped("hidden"));
  const losses = bed.epp.logLines.filter(({ msg }) => msg.startsWith("requestHandler.responseBody is skip: "));
  expect(losses.map(({ msg }) => msg).join("\n")).toMatch(/stay empty: .*llm_d_epp_request_ttft_seconds/);
  expect(losses.length).toBeGreaterThan(3);
});

it.each(readdirSync(SHIPPED_FOLDER))("Envoy takes the configuration in deploy/envoy/%s", (file) => {
  const args = ["--mode", "validate", "-c", `${SHIPPED_FOLDER}/${file}`];
  expect(() => execFileSync(findEnvoy()?.path ?? "envoy", args, { stdio: "pipe" })).not.toThrow();
});
