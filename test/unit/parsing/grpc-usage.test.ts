import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { selectParser } from "../../../src/parsing/parser.ts";
import { PARSERS_BY_TYPE } from "../../../src/parsing/parsers.ts";
import type { Usage } from "../../../src/parsing/usage.ts";
import { cutAtRandom } from "../../support/cuts.ts";
import { grpcFrame, httpBodyMessage, vllmMessage } from "../../support/grpc-messages.ts";

const SEED = 20_261_125;
const VLLM = "/vllm.grpc.engine.VllmEngine";
const VERTEX = "/google.cloud.aiplatform.v1beta1.PredictionService";
const PARSERS = [...PARSERS_BY_TYPE["vllmgrpc-parser"], ...PARSERS_BY_TYPE["vertexai-parser"]];

function usageOf(path: string, pieces: readonly Buffer[]): Usage | undefined {
  const reader = selectParser(PARSERS, path)?.usageFormat?.open();
  for (const piece of pieces) reader?.push(piece);
  return reader?.read(false);
}

const chunk = (fields: object): Buffer => grpcFrame(vllmMessage("GenerateResponse", { chunk: fields }));
const complete = (fields: object): Buffer => grpcFrame(vllmMessage("GenerateResponse", { complete: fields }));
const body = (text: string): Buffer => grpcFrame(httpBodyMessage(text));

describe("usage of vLLM's gRPC responses", () => {
  const expected = { promptTokens: 7, completionTokens: 30_000, totalTokens: 30_007, cachedTokens: 4 };

  it("is in the last message that has counts, however the stream is cut", () => {
    const prng = new Prng(SEED);
    const outputIds = Array.from({ length: 30_000 }, (_, index) => index);
    const stream = Buffer.concat([
      chunk({ tokenIds: [1], promptTokens: 7, completionTokens: 1 }),
      chunk({ tokenIds: [2] }),
      complete({ outputIds, finishReason: "stop", promptTokens: 7, completionTokens: 30_000, cachedTokens: 4 }),
    ]);
    expect(usageOf(`${VLLM}/Generate`, [stream])).toEqual(expected);
    for (let index = 0; index < 50; index++) {
      expect(usageOf(`${VLLM}/Generate`, cutAtRandom(stream, prng, 12))).toEqual(expected);
    }
  });

  it.each([
    ["nothing", []],
    ["messages without counts", [chunk({ tokenIds: [1] })]],
    ["a message that does not end", [complete({ promptTokens: 7 }).subarray(0, -1)]],
    ["a compressed message", [grpcFrame(vllmMessage("GenerateResponse", { complete: { promptTokens: 7 } }), 1)]],
    ["what is no message", [grpcFrame(Buffer.from([0x0b, 1, 2]))]],
    [
      "a message that is too large",
      [complete({ outputIds: Array.from({ length: 400_000 }, () => 70_000), promptTokens: 7 })],
    ],
  ])("is unknown from %s", (_, pieces) => {
    expect(usageOf(`${VLLM}/Generate`, pieces)).toBeUndefined();
  });

  it("is read on after a message that cannot be read", () => {
    const stream = [grpcFrame(Buffer.from([0x0b, 1, 2])), complete({ promptTokens: 7, completionTokens: 1 })];
    expect(usageOf(`${VLLM}/Generate`, stream)).toMatchObject({ promptTokens: 7, totalTokens: 8 });
  });

  it("of embeddings is what the prompt cost", () => {
    const response = grpcFrame(vllmMessage("EmbedResponse", { embedding: [1, 2, 3], promptTokens: 9 }));
    expect(usageOf(`${VLLM}/Embed`, [response])).toMatchObject({
      promptTokens: 9,
      completionTokens: 0,
      totalTokens: 9,
    });
  });
});

describe("usage of Vertex AI's responses", () => {
  it("stands in the body that the messages carry, across their borders", () => {
    const usage = `{"usage":{"prompt_tokens":7,"completion_tokens":3}}`;
    const text = `data: {"choices":[]}\n\ndata: ${usage}\n\ndata: [DONE]\n\n`;
    for (let cut = 0; cut <= text.length; cut++) {
      const pieces = [body(text.slice(0, cut)), body(text.slice(cut))];
      expect(usageOf(`${VERTEX}/ChatCompletions`, pieces)).toMatchObject({ promptTokens: 7, totalTokens: 10 });
    }
  });

  it("of a response is in its last event", () => {
    const event = `data: {"type":"response.completed","response":{"usage":{"input_tokens":5,"output_tokens":2}}}\n\n`;
    expect(usageOf(`${VERTEX}/StreamRawPredict`, [body("data: {}\n\n"), body(event)])).toMatchObject({
      totalTokens: 7,
    });
  });

  it("is unknown from a body without any", () => {
    expect(usageOf(`${VERTEX}/RawPredict`, [body("{}")])).toBeUndefined();
  });
});
