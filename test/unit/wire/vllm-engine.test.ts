/**
 * The readers of vLLM's and Vertex AI's messages, against protobufjs; and what they make of bytes that are no messages.
 */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { readHttpBody, readPredictionRequest } from "../../../src/wire/http-body.ts";
import {
  readEmbedRequest,
  readEmbedResponse,
  readGenerateRequest,
  readGenerateResponse,
} from "../../../src/wire/vllm-engine.ts";
import { WireError } from "../../../src/wire/wire-error.ts";
import { httpBodyMessage, vertexMessage, vllmMessage } from "../../support/grpc-messages.ts";

const SEED = 20_261_124;
const NOTHING = { tokenIds: undefined, text: undefined, outputCap: undefined, isStream: false };

describe("a GenerateRequest", () => {
  it.each([
    ["empty", {}, {}],
    ["text", { requestId: "1", text: "Once", stream: true }, { text: Buffer.from("Once"), isStream: true }],
    ["empty text", { text: "" }, { text: Buffer.alloc(0) }],
    [
      "token ids",
      { tokenized: { originalText: "no", inputIds: [1, 300, 0xffff_ffff] }, samplingParams: { maxTokens: 7 } },
      { tokenIds: Buffer.from([1, 0xac, 2, 0xff, 0xff, 0xff, 0xff, 0x0f]), outputCap: 7 },
    ],
    ["no token ids", { tokenized: {} }, { tokenIds: Buffer.alloc(0) }],
    ["a cap of zero", { text: "x", samplingParams: { maxTokens: 0 } }, { text: Buffer.from("x"), outputCap: 0 }],
    ["sampling without a cap", { text: "x", samplingParams: {} }, { text: Buffer.from("x") }],
  ])("with %s", (_, fields, expected) => {
    expect(readGenerateRequest(vllmMessage("GenerateRequest", fields))).toEqual({ ...NOTHING, ...expected });
  });

  const text = (content: string): Buffer => vllmMessage("GenerateRequest", { text: content });
  const ids = (...inputIds: number[]): Buffer => vllmMessage("GenerateRequest", { tokenized: { inputIds } });

  it("that has both inputs has the last one, and one that comes in parts is put together", () => {
    expect(readGenerateRequest(Buffer.concat([ids(1), text("t")]))).toEqual({ ...NOTHING, text: Buffer.from("t") });
    expect(readGenerateRequest(Buffer.concat([text("t"), ids(1)]))).toEqual({ ...NOTHING, tokenIds: Buffer.from([1]) });
    expect(readGenerateRequest(Buffer.concat([ids(1), ids(2, 3)])).tokenIds).toEqual(Buffer.from([1, 2, 3]));
    expect(readGenerateRequest(Buffer.concat([ids(1), text("t"), ids(2)])).tokenIds).toEqual(Buffer.from([2]));
  });

  it("may have its token ids one by one, among packed ones and unknown fields", () => {
    const inside = Buffer.from([0x10, 5, 0x12, 2, 0xac, 2, 0x78, 1, 0x10, 0xac, 2, 0x0a, 1, 0x41]);
    const message = Buffer.concat([Buffer.from([0x12, inside.length]), inside, Buffer.from([0x3a, 2, 0xff, 0xff])]);
    expect(readGenerateRequest(message).tokenIds).toEqual(Buffer.from([5, 0xac, 2, 0xac, 2]));
  });

  it.each([
    ["an id of eleven bytes", [0x12, 12, 0x10, ...Array.from({ length: 10 }, () => 0xff), 1], "varint-overflow"],
    ["ids in a field that is no message", [0x10, 1], "wire-type"],
    ["text in a number", [0x18, 1], "wire-type"],
    ["an input longer than the message", [0x12, 50, 1], "truncated"],
    ["a group", [0x0b], "wire-type"],
  ])("with %s is refused", (_, bytes, code) => {
    expect(() => readGenerateRequest(Buffer.from(bytes))).toThrow(expect.objectContaining({ name: "WireError", code }));
  });

  it("of more fields than any client sends is refused, wherever they stand", () => {
    const many = Buffer.alloc(2 * 70_000, Buffer.from([0x78, 1]));
    const inside = Buffer.concat([Buffer.from([0x12, 0xe0, 0xc5, 0x08]), many]);
    for (const message of [many, inside]) {
      expect(() => readGenerateRequest(message)).toThrow(expect.objectContaining({ code: "limit" }));
    }
  });
});

describe("other messages", () => {
  it("an EmbedRequest has token ids or nothing", () => {
    expect(readEmbedRequest(vllmMessage("EmbedRequest", { tokenized: { inputIds: [7, 8] } }))).toEqual(
      Buffer.from([7, 8]),
    );
    expect(readEmbedRequest(vllmMessage("EmbedRequest", { requestId: "1" }))).toBeUndefined();
  });

  it.each([
    ["a chunk", { chunk: { tokenIds: [1, 2], promptTokens: 7, completionTokens: 3, cachedTokens: 4 } }, [7, 3, 4]],
    [
      "a completion",
      { complete: { outputIds: [1], finishReason: "stop", promptTokens: 7, completionTokens: 3 } },
      [7, 3, 0],
    ],
  ])("a GenerateResponse with %s says what it cost", (_, fields, [promptTokens, completionTokens, cachedTokens]) => {
    const counts = readGenerateResponse(vllmMessage("GenerateResponse", fields));
    expect(counts).toEqual({ promptTokens, completionTokens, cachedTokens });
  });

  it("a response without counts says nothing", () => {
    expect(readGenerateResponse(vllmMessage("GenerateResponse", { chunk: { tokenIds: [1] } }))).toBeUndefined();
    expect(readGenerateResponse(Buffer.alloc(0))).toBeUndefined();
    expect(readEmbedResponse(vllmMessage("EmbedResponse", { embedding: [1, 2] }))).toBeUndefined();
  });

  it("an EmbedResponse says what its prompt cost", () => {
    const response = vllmMessage("EmbedResponse", { embedding: [0.5, -1], promptTokens: 9 });
    expect(readEmbedResponse(response)).toEqual({ promptTokens: 9, completionTokens: 0, cachedTokens: 0 });
  });

  it.each(["ChatCompletionsRequest", "RawPredictRequest", "StreamRawPredictRequest"])("a %s carries a body", (type) => {
    const httpBody = { contentType: "application/json", data: Buffer.from("{}") };
    expect(readPredictionRequest(vertexMessage(type, { endpoint: "e", httpBody }))).toEqual(Buffer.from("{}"));
    expect(readPredictionRequest(vertexMessage(type, { endpoint: "e", httpBody: {} }))).toEqual(Buffer.alloc(0));
    expect(readPredictionRequest(vertexMessage(type, { endpoint: "e" }))).toBeUndefined();
  });

  it("an HttpBody holds data", () => {
    expect(readHttpBody(httpBodyMessage("data"))).toEqual(Buffer.from("data"));
    expect(readHttpBody(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
  });
});

describe("bytes that are no message", () => {
  const READERS = [
    readGenerateRequest,
    readEmbedRequest,
    readGenerateResponse,
    readEmbedResponse,
    readPredictionRequest,
    readHttpBody,
  ] as const;
  const messages = [
    vllmMessage("GenerateRequest", { tokenized: { inputIds: [1, 300, 70_000] }, samplingParams: { maxTokens: 900 } }),
    vllmMessage("GenerateResponse", { complete: { outputIds: [1, 2, 3], promptTokens: 300, cachedTokens: 200 } }),
    vertexMessage("ChatCompletionsRequest", { endpoint: "projects/p", httpBody: { data: Buffer.from(`{"a":1}`) } }),
  ];

  it("are read or refused with a WireError, and nothing else", () => {
    const prng = new Prng(SEED);
    const counts = { read: 0, refused: 0 };
    const attempt = (bytes: Buffer): void => {
      for (const read of READERS) {
        try {
          read(bytes);
          counts.read++;
        } catch (error) {
          if (!(error instanceof WireError)) throw error;
          counts.refused++;
        }
      }
    };
    for (const message of messages)
      for (let size = 0; size <= message.length; size++) attempt(message.subarray(0, size));
    for (let index = 0; index < 3_000; index++) {
      const source = messages[prng.nextBelow(messages.length)] as Buffer;
      const damaged = Buffer.from(source);
      for (let change = prng.nextBelow(4); change >= 0; change--) {
        damaged[prng.nextBelow(damaged.length)] = prng.nextBelow(256);
      }
      attempt(damaged);
      attempt(Buffer.from(Uint8Array.from({ length: prng.nextBelow(40) }, () => prng.nextU32())));
    }
    expect(counts.read).toBeGreaterThan(5_000);
    expect(counts.refused).toBeGreaterThan(5_000);
  });
});
