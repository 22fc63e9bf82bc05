import { type ClientRequest, type RequestListener, request } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import {
  closeBeds,
  inFlight,
  type ProxyOptions,
  startBed,
  startProxy,
  untilNothingInFlight,
} from "../support/envoy-bed.ts";
import { LOOPBACK } from "../support/epp.ts";
import { CHAT_PATH, chatBody } from "../support/ext-proc-messages.ts";
import { startHeldUpstream } from "../support/held-upstream.ts";
import { beginHttp, getHttp, type HttpAnswer, postChat, postHttp, readHttp } from "../support/http-client.ts";
import { readMetric } from "../support/metrics.ts";
import { startPickerProgram } from "../support/picker-program.ts";
import { endPrograms } from "../support/programs.ts";
import { until } from "../support/until.ts";
import { startUpstream } from "../support/upstream.ts";

afterEach(async () => {
  await closeBeds();
  await endPrograms();
});

const BODY = chatBody("x".repeat(50_000));

/** A request of which only the first part has been sent. */
interface Upload {
  readonly request: ClientRequest;
  readonly answer: Promise<HttpAnswer>;
  finish(): void;
}

function beginUpload(port: number): Upload {
  const headers = { "content-length": BODY.length };
  const outgoing = request({ host: LOOPBACK, port, method: "POST", path: CHAT_PATH, headers, agent: false });
  const answer = new Promise<HttpAnswer>((resolve, reject) => {
    outgoing.once("response", (response) => readHttp(response).then(resolve, reject));
    outgoing.once("error", reject);
  });
  outgoing.write(BODY.subarray(0, 20_000));
  return { request: outgoing, answer, finish: () => void outgoing.end(BODY.subarray(20_000)) };
}

async function untilStreamsOpen(metricsPort: number, count: number): Promise<void> {
  const name = "endpoint_picker_streams_inflight";
  await until(`the picker has ${count} streams`, async () => (await readMetric(metricsPort, name)) === count);
}

const EVENTS = { "content-type": "text/event-stream" };
const JSON_OF_1000 = { "content-type": "application/json", "content-length": 1_000 };

describe("a client that leaves", () => {
  it("while it sends its body costs nothing: no server hears of it, nothing is charged", async () => {
    const upstream = await startHeldUpstream(EVENTS);
    const bed = await startBed([{ name: "held", port: upstream.port }]);
    const uploads = Array.from({ length: 10 }, () => beginUpload(bed.port));
    const left = Promise.allSettled(uploads.map(({ answer }) => answer));
    await untilStreamsOpen(bed.epp.metricsPort, uploads.length);
    for (const upload of uploads) upload.request.destroy();
    await left;
    await untilStreamsOpen(bed.epp.metricsPort, 0);
    expect([inFlight(bed), upstream.receivedCount()]).toEqual([0, 0]);
    expect(await readMetric(bed.epp.metricsPort, "endpoint_picker_picks_total")).toBe(0);
  });

  it.each([
    { name: "of events", head: EVENTS },
    { name: "of known length", head: JSON_OF_1000 },
  ])("within an answer $name returns its charge, and the server is told", async ({ head }) => {
    const upstream = await startHeldUpstream(head);
    const bed = await startBed([{ name: "held", port: upstream.port }]);
    const exchange = beginHttp(bed.port, { method: "POST", path: CHAT_PATH }, BODY);
    const response = await exchange.response;
    response.on("error", () => undefined);
    expect(inFlight(bed)).toBe(1);
    exchange.request.destroy();
    await untilNothingInFlight(bed);
    await until("the server is told", () => upstream.closedCount() === 1);
    const cause = { cause: "client-disconnect" };
    expect(await readMetric(bed.epp.metricsPort, "endpoint_picker_exchanges_total", cause)).toBe(1);
  });
});

describe("a server", () => {
  it.each([
    { name: "resets", listener: ((incoming) => incoming.socket.resetAndDestroy()) satisfies RequestListener },
    { name: "closes", listener: ((incoming) => incoming.socket.end()) satisfies RequestListener },
  ])("that $name before it answers is Envoy's 503, which the picker sees as the answer", async ({ listener }) => {
    const { port } = await startUpstream({ [CHAT_PATH]: listener });
    const bed = await startBed([{ name: "breaks", port }]);
    const answer = await postChat(bed.port, "hello");
    expect(answer.status).toBe(503);
    expect(answer.text).toContain("upstream connect error or disconnect/reset before headers");
    await untilNothingInFlight(bed);
  });

  it.each([
    { name: "of events", head: EVENTS },
    { name: "of known length", head: JSON_OF_1000 },
  ])("that resets within an answer $name cuts it, and its charge is returned", async ({ head }) => {
    const upstream = await startHeldUpstream(head);
    const bed = await startBed([{ name: "held", port: upstream.port }]);
    const response = await beginHttp(bed.port, { method: "POST", path: CHAT_PATH }, BODY).response;
    const whole = readHttp(response);
    (await upstream.answer(0)).socket?.resetAndDestroy();
    await expect(whole).rejects.toThrow("aborted");
    await untilNothingInFlight(bed);
  });
});

describe("a picker that is killed", () => {
  interface Exchanges {
    readonly upload: Upload;
    /** Text of the streamed answer that was under way, or that it was cut. */
    readonly events: Promise<string>;
    readonly port: number;
  }

  /** Kills the picker while one request is being sent and one answer streamed. */
  async function kill(options: (healthPort: number) => ProxyOptions): Promise<Exchanges> {
    const upstream = await startHeldUpstream(EVENTS);
    const picker = await startPickerProgram([{ name: "held", port: upstream.port }]);
    const { port } = await startProxy(picker.grpcPort, options(picker.healthPort));
    const upload = beginUpload(port);
    const response = await beginHttp(port, { method: "POST", path: CHAT_PATH }, BODY).response;
    const events = readHttp(response).then(
      ({ text }) => text,
      () => "cut",
    );
    await untilStreamsOpen(picker.metricsPort, 2);
    picker.program.signal("SIGKILL");
    await picker.program.ended;
    return { upload, events, port };
  }

  it("fails requests under way and new ones with 500, and cuts streamed answers", async () => {
    const { upload, events, port } = await kill(() => ({}));
    expect((await upload.answer).status).toBe(500);
    expect(await events).toBe("cut");
    expect((await postChat(port, "hello")).status).toBe(500);
    expect((await getHttp(port, "/v1/models")).status).toBe(500);
  });

  it("fails them all the same with `failure_mode_allow` alone, but for new ones without a body", async () => {
    const { upload, events, port } = await kill(() => ({ externalProcessor: { failure_mode_allow: true } }));
    expect((await upload.answer).status).toBe(500);
    expect(await events).toBe("cut");
    expect((await postChat(port, "hello")).status).toBe(500);
    // It is sent on, and has no destination.
    const { status, text } = await getHttp(port, "/v1/models");
    expect([status, text]).toEqual([503, "no healthy upstream"]);
  });

  it("lets new ones go to the fallback servers where Envoy checks its health, once it has noticed", async () => {
    const fallback = await startUpstream();
    const servers = [{ host: LOOPBACK, port: fallback.port }];
    const { upload, events, port } = await kill((pickerHealthPort) => ({ failOpen: { servers, pickerHealthPort } }));
    expect((await upload.answer).status).toBe(500);
    expect(await events).toBe("cut");
    expect((await getHttp(port, "/v1/models")).status).toBe(200);
    await until("requests with a body are served", async () => (await postHttp(port, "/other", BODY)).status === 200);
  });

  it("does not cut answers whose bodies it is not shown; but then they are not counted as in flight either", async () => {
    const upstream = await startHeldUpstream(EVENTS);
    const processingMode = { response_body_mode: "NONE", response_trailer_mode: "SKIP" };
    const bed = await startBed([{ name: "held", port: upstream.port }], { processingMode });
    const response = await beginHttp(bed.port, { method: "POST", path: CHAT_PATH }, BODY).response;
    await untilNothingInFlight(bed);
    await bed.epp.close(0);
    (await upstream.answer(0)).end("data: 2\n\n");
    expect((await readHttp(response)).text).toBe("data: 1\n\ndata: 2\n\n");
  });
});

// The picker refuses in the request phase alone: once it has picked, nothing that it does ends in an ImmediateResponse.
describe("a refusal", () => {
  it.each([
    { name: "400", endpoints: "one", body: Buffer.from("not JSON"), says: "is not a JSON object", reason: undefined },
    { name: "503", endpoints: "none", body: BODY, says: "failed to find endpoint", reason: "rejected-no-endpoints" },
  ])("$name reaches the client with its text and reason; no server hears of it", async (wanted) => {
    const { name, endpoints, body, says, reason } = wanted;
    let receivedCount = 0;
    const upstream = await startUpstream({ [CHAT_PATH]: () => void receivedCount++ });
    const bed = await startBed(endpoints === "one" ? [{ name: "one", port: upstream.port }] : []);
    const answer = await postHttp(bed.port, CHAT_PATH, body);
    expect([answer.status, answer.headers["x-llm-d-request-dropped-reason"]]).toEqual([Number(name), reason]);
    expect(answer.text).toContain(says);
    expect(answer.headers["content-length"]).toBe(String(answer.body.length));
    expect(receivedCount).toBe(0);
  });
});
