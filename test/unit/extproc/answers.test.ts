import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import type { Routed } from "../../../src/director/request.ts";
import { encodeRouted, type RoutedAnswer } from "../../../src/extproc/answers.ts";
import type { Pick } from "../../../src/wasm/shard-memory.ts";
import { decodeProcessingResponse } from "../../../src/wire/ext-proc/response-decoder.ts";
import { setHeaders } from "../../support/ext-proc-messages.ts";

const DESTINATION = "x-gateway-destination-endpoint";

function answerTo(targets: readonly string[], more: Partial<RoutedAnswer & Routed> = {}): RoutedAnswer {
  const routed: Routed = {
    pick: { targets } as Pick,
    edit: undefined,
    headers: more.headers ?? [],
    candidates: more.candidates,
    skipsResponse: false,
  };
  const { bodySize = 0, newRequestId, removeHeaders = [], modeOverride } = more;
  return { routed, bodySize, newRequestId, removeHeaders, ...(modeOverride && { modeOverride }) };
}

/** Headers that the answer sets, and what it tells the load balancer. */
function read(answer: RoutedAnswer) {
  const decoded = decodeProcessingResponse(Buffer.from(encodeRouted(answer)));
  return { headers: setHeaders(decoded), metadata: decoded.dynamicMetadata };
}

const expected = (destination: string, headers: object = {}) => ({
  headers: { [DESTINATION]: destination, ...headers },
  metadata: { "envoy.lb": { [DESTINATION]: destination } },
});

describe("the answer that routes a request", () => {
  it("says the endpoint and the length, for 5,000 endpoints and lengths in random order", () => {
    const prng = new Prng(20_261_120);
    const endpoints = Array.from({ length: 1_500 }, (_, index) => `10.1.${index % 7}.${index}:${8_000 + (index % 3)}`);
    let withoutLength = 0;
    for (let round = 0; round < 5_000; round++) {
      // Mostly a few endpoints, as in a fleet that changes slowly.
      const endpoint = endpoints[prng.nextBelow(prng.nextBelow(4) === 0 ? endpoints.length : 20)] ?? "";
      const bodySize = prng.nextBelow(10 ** prng.nextBelow(9));
      const length = bodySize === 0 ? {} : { "content-length": String(bodySize) };
      if (bodySize === 0) withoutLength++;
      expect(read(answerTo([endpoint], { bodySize }))).toEqual(expected(endpoint, length));
    }
    expect(withoutLength).toBeGreaterThan(100);
  });

  it.each([
    ["other endpoints to fall back to", answerTo(["a:1", "b:2"], { bodySize: 5 }), expected("a:1,b:2")],
    ["a request id", answerTo(["a:1"], { bodySize: 5, newRequestId: "id" }), expected("a:1", { "x-request-id": "id" })],
    ["a header", answerTo(["a:1"], { bodySize: 5, headers: [{ name: "h", value: "v" }] }), expected("a:1", { h: "v" })],
  ])("says %s beside them, before and after one that does not", (_, special, { headers, metadata }) => {
    const usual = answerTo(["a:1"], { bodySize: 7 });
    for (let round = 0; round < 2; round++) {
      expect(read(usual)).toEqual(expected("a:1", { "content-length": "7" }));
      expect(read(special)).toEqual({ headers: { ...headers, "content-length": "5" }, metadata });
    }
  });

  it("carries control headers to be removed, totals of candidates and another mode where there are any", () => {
    const decode = (more: Parameters<typeof answerTo>[1]) =>
      decodeProcessingResponse(Buffer.from(encodeRouted(answerTo(["a:1"], more))));
    const usual = decode({});
    expect(usual).toMatchObject({ common: { headerMutation: { removeHeaders: [] }, clearRouteCache: true } });
    expect(decode({ removeHeaders: ["x"] })).toMatchObject({ common: { headerMutation: { removeHeaders: ["x"] } } });
    expect(decode({ candidates: [{ hostPort: "a:1", total: 2 }] }).dynamicMetadata).toMatchObject({
      "envoy.lb": { "x-gateway-destination-endpoint-scores": { "a:1": 2 } },
    });
    expect(decode({ modeOverride: { responseBodyMode: 1 } })).not.toEqual(usual);
  });
});
