/**
 * An answer of the picker's own while the response passes. Our picker refuses only before the pick, so a scripted one
 * sends it here, in our codec: this is what an eviction would do behind Envoy.
 */
import { afterEach, expect, it } from "vitest";
import { encodeImmediateResponse } from "../../src/wire/ext-proc/response-encoder.ts";
import { closeBeds, startProxy } from "../support/envoy-bed.ts";
import { postChat } from "../support/http-client.ts";
import { pickEndpoint, type ScriptedPicker, startScriptedPicker } from "../support/scripted-ext-proc.ts";
import { closeUpstreams, startUpstream } from "../support/upstream.ts";

const REASON = "x-llm-d-request-dropped-reason";
const pickers: ScriptedPicker[] = [];

afterEach(async () => {
  await closeBeds();
  await Promise.all(pickers.splice(0).map((picker) => picker.close()));
  await closeUpstreams();
});

it("an immediate response at the response's headers reaches the client instead of the server's answer", async () => {
  const upstream = await startUpstream();
  const pick = pickEndpoint(`127.0.0.1:${upstream.port}`);
  const picker = await startScriptedPicker((stream, message) => {
    if (message.kind !== "responseHeaders") return pick(stream, message);
    const setHeaders = [{ name: REASON, value: "evicted" }];
    stream.send(encodeImmediateResponse({ status: 429, body: "request evicted by flow control", setHeaders }));
  });
  pickers.push(picker);
  const { port } = await startProxy(picker.port);
  const answer = await postChat(port, "hello");
  expect(answer.status).toBe(429);
  expect(answer.body.toString()).toBe("request evicted by flow control");
  expect(answer.headers[REASON]).toBe("evicted");
});
