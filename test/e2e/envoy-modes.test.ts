import { afterEach, describe, expect, it } from "vitest";
import { BODY_SEND_MODE } from "../../src/wire/ext-proc/fields.ts";
import { readProtocolConfig } from "../../src/wire/ext-proc/request-context.ts";
import {
  type Bed,
  closeBeds,
  type ProxyOptions,
  startBed,
  startProxy,
  untilNothingInFlight,
} from "../support/envoy-bed.ts";
import type { EndpointAddress } from "../support/epp.ts";
import { CHAT_PATH, chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, startSimulators } from "../support/fleet-of-simulators.ts";
import { beginHttp, postChat, postHttp, readHttp } from "../support/http-client.ts";
import { readMetric } from "../support/metrics.ts";
import { startScriptedPicker } from "../support/scripted-ext-proc.ts";
import { type Received, sha256, startUpstream } from "../support/upstream.ts";

afterEach(closeBeds);

/** Body modes in Envoy's names, and what it says of them in the first message of a stream. */
const MODES = {
  NONE: BODY_SEND_MODE.none,
  STREAMED: BODY_SEND_MODE.streamed,
  BUFFERED: BODY_SEND_MODE.buffered,
  BUFFERED_PARTIAL: BODY_SEND_MODE.bufferedPartial,
  FULL_DUPLEX_STREAMED: BODY_SEND_MODE.fullDuplexStreamed,
} as const;

type ModeName = keyof typeof MODES;
const NAMES = Object.keys(MODES) as ModeName[];

function bodyModes(request: ModeName, response: ModeName = request): ProxyOptions {
  return { processingMode: { request_body_mode: request, response_body_mode: response } };
}

/** Larger than what Envoy buffers of a body. */
const BEYOND_BUFFER = 3 * 1024 * 1024;
const LONG_PROMPT = "You know everything about birds. ".repeat(100);

async function startFleet(mode: ModeName): Promise<Bed> {
  return await startBed(addressesOf(await startSimulators(3)), bodyModes(mode));
}

async function startEcho(options: ProxyOptions): Promise<Bed> {
  const endpoints: EndpointAddress[] = [{ name: "echo", port: (await startUpstream()).port }];
  return await startBed(endpoints, options);
}

describe("Envoy", () => {
  it.each(NAMES)("says in the first message of a stream that bodies come in mode %s", async (name) => {
    const picker = await startScriptedPicker((stream) => stream.fail(13, "it has said enough"));
    const { port } = await startProxy(picker.port, bodyModes(name));
    expect((await postChat(port, "hello")).status).toBe(500);
    const first = await (await picker.stream(0)).message(0);
    expect(first.kind).toBe("requestHeaders");
    expect(readProtocolConfig(first)).toEqual({
      requestBodyMode: MODES[name],
      responseBodyMode: MODES[name],
      sendBodyWithoutWaitingForHeaderResponse: false,
    });
    await picker.close();
  });
});

describe.each(NAMES)("in body mode %s", (name) => {
  const seesPrompt = name !== "NONE" && name !== "STREAMED";

  it(`a request is picked for by ${seesPrompt ? "its prompt" : "its headers alone"}`, async () => {
    const bed = await startFleet(name);
    const first = await postChat(bed.port, LONG_PROMPT);
    expect([first.status, first.headers["x-went-into-resp-headers"]]).toEqual([200, "true"]);
    for (let count = 0; count < 4; count++) {
      const next = await postChat(bed.port, LONG_PROMPT);
      expect(next.status).toBe(200);
      if (!seesPrompt) continue;
      expect(next.headers["x-simulator"]).toBe(first.headers["x-simulator"]);
      expect(bed.epp.decisionLines.at(-1)).toMatch(/holds (\d+) of \1 prompt blocks/);
    }
    if (!seesPrompt) expect(bed.epp.decisionLines.every((line) => line.includes("no prompt"))).toBe(true);
    await untilNothingInFlight(bed);
  });

  it("a body arrives byte for byte, and so does the answer", async () => {
    const bed = await startEcho(bodyModes(name));
    for (const body of [Buffer.alloc(0), Buffer.from([0xff]), Buffer.alloc(100_000, "x")]) {
      const { status, text } = await postHttp(bed.port, "/other", body);
      const received = JSON.parse(text) as Received;
      expect([status, received.size, received.sha256]).toEqual([200, body.length, sha256(body)]);
    }
    await untilNothingInFlight(bed);
  });

  it("events pass", async () => {
    const bed = await startFleet(name);
    const { status, text } = await postChat(bed.port, "hello", {
      stream: true,
      stream_options: { include_usage: true },
    });
    expect([status, text.endsWith("data: [DONE]\n\n")]).toEqual([200, true]);
    await untilNothingInFlight(bed);
    const completion = { kind: "completion" };
    const tokens = await readMetric(bed.epp.metricsPort, "endpoint_picker_response_tokens_total", completion);
    expect(tokens).toBe(name === "NONE" ? 0 : 4);
  });

  it("a request without a body is served", async () => {
    const bed = await startEcho(bodyModes(name));
    const answer = await readHttp(await beginHttp(bed.port, { path: "/v1/models" }).response);
    expect([answer.status, answer.headers["x-went-into-resp-headers"]]).toEqual([200, "true"]);
    await untilNothingInFlight(bed);
  });
});

describe("a body that is larger than Envoy buffers", () => {
  it.each(["STREAMED", "NONE", "BUFFERED_PARTIAL", "FULL_DUPLEX_STREAMED"] as const)(
    "passes in mode %s",
    async (name) => {
      const bed = await startEcho(bodyModes(name, "NONE"));
      const body = chatBody("x".repeat(BEYOND_BUFFER));
      const { status, text } = await postHttp(bed.port, CHAT_PATH, body);
      expect([status, (JSON.parse(text) as Received).sha256]).toEqual([200, sha256(body)]);
      const hasPrompt = name === "BUFFERED_PARTIAL" || name === "FULL_DUPLEX_STREAMED";
      expect(bed.epp.decisionLines.at(-1)?.includes("no prompt")).toBe(!hasPrompt);
      await untilNothingInFlight(bed);
    },
  );

  it("is Envoy's 413 in mode BUFFERED", async () => {
    const bed = await startEcho(bodyModes("BUFFERED"));
    const { status, text } = await postHttp(bed.port, CHAT_PATH, chatBody("x".repeat(BEYOND_BUFFER)));
    expect([status, text]).toEqual([413, "Payload Too Large"]);
    await untilNothingInFlight(bed);
  });
});

describe("a model rewrite", () => {
  const CASES = [
    { name: "BUFFERED", model: "renamed" },
    { name: "FULL_DUPLEX_STREAMED", model: "renamed" },
    { name: "BUFFERED_PARTIAL", model: "asked" },
    { name: "STREAMED", model: "asked" },
    { name: "NONE", model: "asked" },
  ] as const;

  it.each(CASES)("in mode $name reaches the server as $model", async ({ name, model }) => {
    let sent: unknown;
    const upstream = await startUpstream({
      [CHAT_PATH]: (request, response) => {
        const pieces: Buffer[] = [];
        request.on("data", (piece: Buffer) => pieces.push(piece));
        request.on("end", () => {
          sent = JSON.parse(Buffer.concat(pieces).toString());
          response.setHeader("content-type", "application/json");
          response.end(JSON.stringify({ model: (sent as { model: string }).model }));
        });
      },
    });
    const bed = await startBed([{ name: "server", port: upstream.port }], bodyModes(name));
    const headers = { "x-llm-d-model-name-rewrite": "renamed" };
    const options = { method: "POST", path: CHAT_PATH, headers };
    const answer = await readHttp(await beginHttp(bed.port, options, chatBody("hello", "asked")).response);
    expect(sent).toEqual(JSON.parse(chatBody("hello", model).toString()));
    // The client reads the name that it asked for.
    expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { model: "asked" }]);
    const skipped = await readMetric(bed.epp.metricsPort, "endpoint_picker_rewrites_skipped_total");
    expect(skipped).toBe(model === "asked" ? 1 : 0);
  });
});
