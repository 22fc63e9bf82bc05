import { describe, expect, it } from "vitest";
import { makeScripts, type ScriptOptions } from "../../../../bench/load/exchange-script.ts";
import { SERIAL_SIZE } from "../../../../bench/load/prompts.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { BODY_SEND_MODE } from "../../../../src/wire/ext-proc/fields.ts";
import { forEachHeader } from "../../../../src/wire/ext-proc/header-map.ts";
import { readProtocolConfig } from "../../../../src/wire/ext-proc/request-context.ts";
import { decodeProcessingRequest, type ProcessingRequest } from "../../../../src/wire/ext-proc/request-decoder.ts";
import { readGrpcFrame } from "../../../../src/wire/grpc-frame.ts";

const OPTIONS: ScriptOptions = {
  path: "/v1/chat/completions",
  model: "m",
  bodySize: 200_000,
  pieceSize: 65_536,
  prefixGroupCount: 2,
  prefixShare: 0.5,
  chunkCount: 3,
};

function script(options: Partial<ScriptOptions> = {}) {
  const [first] = makeScripts({ ...OPTIONS, ...options }, new Prng(1));
  if (first === undefined) throw new Error("no script was made");
  const messages = first.messages.map(({ bytes }): ProcessingRequest => {
    const frame = readGrpcFrame(bytes);
    if (frame.kind !== "message") throw new Error("a message is not in a gRPC frame");
    return decodeProcessingRequest(frame.message);
  });
  return { ...first, decoded: messages };
}

function bodyOf(messages: readonly ProcessingRequest[], kind: "requestBody" | "responseBody") {
  const pieces = messages.flatMap((message) => (message.kind === kind ? [message] : []));
  return { body: Buffer.concat(pieces.map(({ body }) => body)), ends: pieces.map(({ endOfStream }) => endOfStream) };
}

describe("a script", () => {
  it("says first what Envoy says: headers and body modes", () => {
    const [first] = script().decoded;
    if (first?.kind !== "requestHeaders") throw new Error(`the first message is ${first?.kind}`);
    const headers = new Map<string, string>();
    forEachHeader(first.headers, (name, value) => headers.set(name, value));
    expect(headers.get(":path")).toBe("/v1/chat/completions");
    expect(headers.get("content-length")).toBe("200000");
    expect(readProtocolConfig(first)).toMatchObject({
      requestBodyMode: BODY_SEND_MODE.fullDuplexStreamed,
      responseBodyMode: BODY_SEND_MODE.fullDuplexStreamed,
    });
  });

  it("has the body in pieces, of which the last one ends it, all before the pick", () => {
    const { decoded, requestCount } = script();
    const { body, ends } = bodyOf(decoded.slice(0, requestCount), "requestBody");
    expect(body.length).toBe(200_000);
    expect(JSON.parse(body.toString())).toMatchObject({ model: "m", stream: true });
    expect(ends).toEqual([false, false, false, true]);
  });

  it.each([1, 3])("has %d SSE chunks, the last with usage, and an empty end, after the pick", (chunkCount) => {
    const { decoded, requestCount } = script({ chunkCount });
    const response = decoded.slice(requestCount);
    expect(response[0]?.kind).toBe("responseHeaders");
    const { body, ends } = bodyOf(response, "responseBody");
    expect(ends).toEqual([...Array.from({ length: chunkCount }, () => false), true]);
    expect(body.toString().split("data: {")).toHaveLength(chunkCount + 1);
    expect(body.toString()).toMatch(/"usage":\{"prompt_tokens":1000.*data: \[DONE\]\n\n$/s);
  });

  it("has a place for the serial number in the request's id and in the prompt", () => {
    const zeros = "0".repeat(SERIAL_SIZE);
    const places = script().messages.flatMap(({ bytes, serialAt }) =>
      serialAt === undefined ? [] : [bytes.toString("latin1", serialAt - 1, serialAt + SERIAL_SIZE)],
    );
    expect(places).toEqual([`-${zeros}`, `"${zeros}`]);
  });
});
