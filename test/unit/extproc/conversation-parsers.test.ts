/** What each API's requests must have, what they are charged for, and how their conversations end. */
import { describe, expect, it } from "vitest";
import { EppError } from "../../../src/base/errors.ts";
import { Prng } from "../../../src/base/prng.ts";
import type { ParserType } from "../../../src/parsing/parser.ts";
import { PARSERS_BY_TYPE, parsersOf } from "../../../src/parsing/parsers.ts";
import { type TestShard, testShard } from "../../support/conversation.ts";
import { cutAtRandom } from "../../support/cuts.ts";
import { bodyMessages, readRequestAnswer, requestHeaders } from "../../support/ext-proc-messages.ts";
import { grpcFrame, vertexMessage, vllmMessage } from "../../support/grpc-messages.ts";

const EVERY_PARSER = parsersOf(Object.keys(PARSERS_BY_TYPE) as ParserType[]);
const VLLM = "/vllm.grpc.engine.VllmEngine";
const VERTEX = "/google.cloud.aiplatform.v1beta1.PredictionService";
const REWRITE = [{ name: "x-llm-d-model-name-rewrite", value: "target" }];

interface AskOptions {
  /** A new one under every parser unless given. */
  readonly shard?: TestShard;
  readonly rewrites?: boolean;
  readonly pieces?: readonly Buffer[];
}

/** Sends a whole request and ends its stream as a proxy does. */
function ask(path: string, body: string | Buffer, options: AskOptions = {}) {
  const { shard = testShard({ parsers: EVERY_PARSER }), pieces = [Buffer.from(body)] } = options;
  const stream = shard.open();
  stream.send(requestHeaders({ path, more: options.rewrites === true ? REWRITE : [] }));
  for (const [index, piece] of pieces.entries()) {
    stream.send(
      ...bodyMessages("requestBody", piece, { endOfStream: index === pieces.length - 1, pieceSize: 1 << 20 }),
    );
  }
  shard.turn();
  return { shard, stream, answer: readRequestAnswer(stream.answers), pick: shard.decisions.at(-1)?.pick };
}

/** What the client is told, by one shard after another request. */
function answerText(shard: TestShard, path: string, body: string | Buffer): string {
  const { answer, stream } = ask(path, body, { shard });
  stream.cancel();
  return answer.kind === "refused" ? answer.text.replace("inference error: BadRequest - ", "") : "routed";
}

describe("a request must have what its API needs", () => {
  const NO_MODEL = "model not found in request body";
  const shard = testShard({ parsers: EVERY_PARSER });

  it.each([
    ["/v1/chat/completions", `{"messages":[{}]}`, NO_MODEL],
    ["/v1/chat/completions", `{"model":"","messages":[{}]}`, NO_MODEL],
    ["/v1/chat/completions", `{"model":"m","messages":[]}`, "request body has no messages: at least one is required"],
    ["/v1/chat/completions/render", `{"model":"m","messages":[{}]}`, "routed"],
    ["/v1/completions", `{"prompt":"p"}`, NO_MODEL],
    [
      "/v1/completions",
      `{"model":"m","prompt":[]}`,
      "request body has no prompt: a text, a list of texts or a list of token ids is required",
    ],
    ["/v1/completions", `{"model":"m","prompt":[[1]]}`, "routed"],
    ["/v1/embeddings", `{"input":"i"}`, NO_MODEL],
    [
      "/v1/embeddings",
      `{"model":"m","prompt":"p"}`,
      "request body has no input: a text, a list of texts or a list of token ids is required",
    ],
    ["/v1/embeddings", `{"model":"m","input":[7]}`, "routed"],
    ["/v1/responses", `{"input":"i"}`, NO_MODEL],
    ["/v1/responses", `{"model":"m","input":null}`, "request body has no input: a text or a list of items is required"],
    ["/v1/responses", `{"model":"m","input":[]}`, "routed"],
    ["/v1/conversations", `{"items":[]}`, "request body has no items: at least one is required"],
    ["/v1/conversations", `{"items":[{}]}`, "routed"],
    ["/v1/images/generations", `{"prompt":"p"}`, NO_MODEL],
    ["/v1/images/generations", `{"model":"m","prompt":""}`, "request body has no prompt: a text is required"],
    ["/v1/messages", `{"messages":[{}]}`, NO_MODEL],
    ["/v1/messages", `{"model":"m","system":"s"}`, "request body has no messages: at least one is required"],
    ["/v1/messages/count_tokens", "no JSON at all", "routed"],
    ["/inference/v1/generate", `{"token_ids":[]}`, "request body has no token_ids: a list of token ids is required"],
    ["/inference/v1/generate", `{"token_ids":[1]}`, "routed"],
    ["/generate", `{"text":"","input_ids":null}`, "request body has no prompt: text or input_ids is required"],
    ["/generate", `{"text":"t"}`, "routed"],
    ["/v1/anything", "no JSON at all", "routed"],
  ])("%s %s: %s", (path, body, expected) => {
    expect(answerText(shard, path, body)).toBe(expected);
  });

  it("and a body whose path no parser takes is refused, but not a request without one", () => {
    const strict = testShard({ parsers: parsersOf(["openai-parser"]) });
    expect(ask("/v1/messages", "{}", { shard: strict }).answer).toMatchObject({ kind: "refused", status: 400 });
    const stream = strict.open();
    stream.send(requestHeaders({ path: "/v1/models", method: "GET", endOfStream: true }));
    strict.turn();
    expect(readRequestAnswer(stream.answers).kind).toBe("routed");
  });
});

describe("a gRPC request", () => {
  const generate = (fields: object): Buffer => grpcFrame(vllmMessage("GenerateRequest", fields));
  const shard = testShard({ parsers: EVERY_PARSER });
  const inputIds = Array.from({ length: 40_000 }, (_, index) => index * 7);

  it("is charged for its token ids, or for its text, and goes on as it came", () => {
    const body = generate({ tokenized: { inputIds } });
    const { answer, pick } = ask(`${VLLM}/Generate`, body);
    expect(answer.kind === "routed" && answer.body.equals(body)).toBe(true);
    expect(pick).toMatchObject({ tokens: inputIds.length, blockCount: 625 });
    const text = generate({ text: "x".repeat(1_000), stream: true });
    expect(ask(`${VLLM}/Generate`, text, { shard }).pick?.tokens).toBe(250);
    const embed = grpcFrame(vllmMessage("EmbedRequest", { tokenized: { inputIds: [1, 2] } }));
    expect(ask(`${VLLM}/Embed`, embed, { shard }).pick?.tokens).toBe(2);
  });

  it("shares a prefix with the same token ids over HTTP", () => {
    const fresh = testShard({ parsers: EVERY_PARSER });
    const [first, ...others] = [
      ask(`${VLLM}/Generate`, generate({ tokenized: { inputIds } }), { shard: fresh }).pick,
      ask("/inference/v1/generate", JSON.stringify({ token_ids: inputIds }), { shard: fresh }).pick,
      ask("/generate", JSON.stringify({ input_ids: inputIds }), { shard: fresh }).pick,
    ];
    expect(first?.matchedBlocks).toBe(0);
    for (const pick of others) expect(pick).toMatchObject({ slot: first?.slot, matchedBlocks: 625, tokens: 0 });
  });

  it("comes to the same however it is cut", () => {
    const prng = new Prng(20_261_126);
    const body = generate({ tokenized: { inputIds } });
    for (let index = 0; index < 20; index++) {
      const { answer, pick, stream } = ask(`${VLLM}/Generate`, body, { shard, pieces: cutAtRandom(body, prng) });
      stream.cancel();
      expect(answer.kind === "routed" && answer.body.equals(body)).toBe(true);
      expect(pick).toMatchObject({ blockCount: 625 });
    }
  });

  const CUT = "request body ends in the middle of its gRPC message";
  it.each([
    ["an empty message", generate({}), "request body has neither text nor tokenized input"],
    ["empty text", generate({ text: "" }), "request body has no prompt: text or a list of token ids is required"],
    [
      "a compressed message",
      grpcFrame(vllmMessage("GenerateRequest", { text: "t" }), 1),
      "request body is a compressed gRPC message: send it uncompressed",
    ],
    [
      "token ids that do not end",
      grpcFrame(Buffer.from([0x12, 4, 0x12, 2, 1, 0x80])),
      "request body has token ids that are no numbers (at byte 11)",
    ],
    ["half a message", generate({ text: "text" }).subarray(0, 8), CUT],
    ["half a head", Buffer.from([0, 0]), CUT],
    [
      "what is no message",
      grpcFrame(Buffer.from([0x0b, 1])),
      "request body is not the protobuf message of its method: field 1 has wire type 3",
    ],
  ])("with %s is refused", (_, body, expected) => {
    expect(answerText(shard, `${VLLM}/Generate`, body)).toBe(expected);
  });

  it("whose bytes are garbage is refused with 400, or routed, and nothing else", () => {
    const prng = new Prng(20_261_127);
    const paths = [`${VLLM}/Generate`, `${VLLM}/Embed`, `${VERTEX}/ChatCompletions`, `${VERTEX}/RawPredict`];
    const fresh = testShard({ parsers: EVERY_PARSER });
    const counts = { refused: 0, routed: 0 };
    for (let index = 0; index < 300; index++) {
      const path = paths[index % paths.length] as string;
      const source = path.startsWith(VLLM)
        ? generate({ text: "some text", samplingParams: { maxTokens: 3 } })
        : grpcFrame(vertexMessage("ChatCompletionsRequest", { httpBody: { data: Buffer.from(`{"input":"i"}`) } }));
      const body = Buffer.from(source);
      for (let change = prng.nextBelow(3); change >= 0; change--)
        body[prng.nextBelow(body.length)] = prng.nextBelow(256);
      const { answer, stream } = ask(path, body, { shard: fresh });
      stream.cancel();
      counts[answer.kind]++;
      if (answer.kind === "refused") expect(answer.status).toBe(400);
    }
    for (const refusal of fresh.refusals) expect(refusal).toBeInstanceOf(EppError);
    expect(fresh.protocolErrors).toEqual([]);
    expect(fresh.freeWindowCount()).toBe(16);
    expect(Math.min(counts.refused, counts.routed)).toBeGreaterThan(10);
  });

  it("of Vertex AI is read as what it carries", () => {
    const carry = (type: string, data: object | string): Buffer =>
      grpcFrame(
        vertexMessage(type, {
          endpoint: "e",
          httpBody: { data: Buffer.from(typeof data === "string" ? data : JSON.stringify(data)) },
        }),
      );
    const chat = carry("ChatCompletionsRequest", { messages: [{ role: "user", content: "x".repeat(396) }] });
    expect(ask(`${VERTEX}/ChatCompletions`, chat).pick?.tokens).toBe(100);
    const response = ask(`${VERTEX}/RawPredict`, carry("RawPredictRequest", { model: "m", input: "x".repeat(398) }));
    expect(response.shard.decisions).toMatchObject([{ model: "m", pick: { tokens: 100 } }]);
    const refused = (type: string, data: object | string): string =>
      answerText(shard, `${VERTEX}/ChatCompletions`, carry(type, data));
    expect(refused("ChatCompletionsRequest", "{oops")).toBe("request body is not JSON (at byte 13)");
    expect(refused("ChatCompletionsRequest", {})).toBe("request body has no messages: at least one is required");
    const empty = grpcFrame(vertexMessage("RawPredictRequest", { endpoint: "e" }));
    expect(answerText(shard, `${VERTEX}/RawPredict`, empty)).toBe("request body has no http_body");
  });
});

describe("the model that a request is sent on under", () => {
  it("is where a prompt without a model belongs to, and the body stays as it is", () => {
    const bodies = [
      ["/inference/v1/generate", Buffer.from(`{"token_ids":[1]}`)],
      [`${VLLM}/Generate`, grpcFrame(vllmMessage("GenerateRequest", { text: "t" }))],
    ] as const;
    for (const [path, body] of bodies) {
      const { shard, answer } = ask(path, body, { rewrites: true });
      expect(answer).toMatchObject({ kind: "routed", body });
      expect(shard.decisions).toMatchObject([{ model: "target" }]);
      expect(shard.unknownNames).toEqual(["target"]);
    }
  });

  it("is unknown, and not reported, when a body names none or an empty one", () => {
    for (const body of [`{"token_ids":[1]}`, `{"token_ids":[1],"model":""}`]) {
      const { shard } = ask("/inference/v1/generate", body);
      expect(shard.decisions).toMatchObject([{ model: undefined }]);
      expect(shard.unknownNames).toEqual([]);
    }
  });

  it("does not change a name inside of a message", () => {
    const data = Buffer.from(`{"model":"m","messages":[{}]}`);
    const body = grpcFrame(vertexMessage("ChatCompletionsRequest", { httpBody: { data } }));
    const { shard, answer } = ask(`${VERTEX}/ChatCompletions`, body, { rewrites: true });
    expect(answer).toMatchObject({ kind: "routed", body });
    expect(shard.decisions).toMatchObject([{ model: "m" }]);
  });
});

describe("a request whose response is of no interest", () => {
  const PATH = "/v1/messages/count_tokens";

  it("ends its stream with the answer, and gives its charge back", () => {
    const { shard, stream, answer } = ask(PATH, `{"model":"m"}`);
    expect(answer.kind).toBe("routed");
    expect(stream.state).toBe("ended");
    expect(shard.fleet.kernel.inFlightRequests(shard.decisions[0]?.pick.slot ?? -1)).toBe(0);
    expect(shard.finished).toMatchObject([{ cause: "natural", response: undefined }]);
  });

  it("is answered with its whole body and trailers first", () => {
    const shard = testShard();
    const stream = shard.open();
    const body = Buffer.alloc(150_000, 1);
    stream.send(requestHeaders({ path: PATH }), ...bodyMessages("requestBody", body, { endOfStream: false }));
    stream.send({ kind: "requestTrailers", headers: [] });
    shard.turn();
    const answer = stream.answers;
    expect(answer.map(({ kind }) => kind).at(-1)).toBe("requestTrailers");
    expect(stream.state).toBe("ended");
  });

  it("counts as refused when there is no endpoint for it", () => {
    const shard = testShard({ endpointCount: 0 });
    const { stream } = ask(PATH, "{}", { shard });
    expect(stream.state).toBe("ended");
    expect(shard.finished).toMatchObject([{ cause: "refused" }]);
  });
});
