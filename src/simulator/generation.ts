/**
 * One generation request from parsed to answered: draws the reply, has the engine produce it token by token, and writes
 * it as JSON or as a stream. A client that goes away ends the request in the engine.
 */
import type { ServerResponse } from "node:http";
import { formatSseEvent, SSE_CONTENT_TYPE, SSE_DONE } from "../wire/sse.ts";
import type { AnswerBody } from "./answer-body.ts";
import { ANSWER_FORMATS, type AnswerFormat, type AnswerHead, type Usage } from "./answer-format.ts";
import type { Engine, EngineJob, EngineListener } from "./engine.ts";
import type { GenerationRequest } from "./generation-request.ts";
import type { SimulatorSettings } from "./options.ts";
import { drawReply, type Reply } from "./reply.ts";
import { TOKEN_SIZE } from "./tokens.ts";

export interface GenerationPlace {
  readonly engine: Engine;
  readonly settings: SimulatorSettings;
  readonly response: ServerResponse;
  readonly body: AnswerBody;
  /** Becomes part of the answer's id. */
  readonly requestId: string;
}

/** Starts the request. The answer follows through `body`. */
export function generate(request: GenerationRequest, place: GenerationPlace): void {
  const { settings, engine, response } = place;
  const { prompt, model } = request;
  const reply = drawReply(settings.seed, model, prompt.bytes, {
    cutoffTokens: request.cutoffTokens,
    replyTokensMin: settings.replyTokensMin,
    replyTokensMax: settings.replyTokensMax,
    ignoresEnd: request.ignoresEnd,
  });
  const format = ANSWER_FORMATS[request.api];
  const head: AnswerHead = {
    id: format.idPrefix + place.requestId,
    created: Math.floor(settings.clock.wallMs() / 1000),
    model,
  };
  const usage = (): Usage => ({
    promptTokens: job.promptTokens,
    cachedTokens: job.cachedTokens,
    replyTokens: reply.tokenCount,
  });
  const answer: Answer = { format, head, reply, usage, body: place.body };
  const listener = request.isStream ? streamAnswer(answer, request.includesUsage) : jsonAnswer(answer);
  const engineRequest = { ...request, prompt: prompt.bytes, replyPrefix: prompt.replyPrefix, reply };
  const job: EngineJob = engine.submit(engineRequest, listener);
  response.once("close", () => job.abort());
}

interface Answer {
  readonly format: AnswerFormat;
  readonly head: AnswerHead;
  readonly reply: Reply;
  readonly usage: () => Usage;
  readonly body: AnswerBody;
}

/** All at the end. */
function jsonAnswer({ format, head, reply, usage, body }: Answer): EngineListener {
  return {
    onToken() {},
    onFinished() {
      const bytes = Buffer.from(JSON.stringify(format.answer(head, reply.text, reply.finishReason, usage())));
      const middle = bytes.length >>> 1;
      body.open({ "content-type": "application/json", "content-length": bytes.length });
      body.write(bytes.subarray(0, middle));
      body.write(bytes.subarray(middle));
      body.end();
    },
  };
}

/** Headers at once, as vLLM sends them; then one event per token. */
function streamAnswer({ format, head, reply, usage, body }: Answer, includesUsage: boolean): EngineListener {
  const send = (event: unknown): void => body.write(formatSseEvent(JSON.stringify(event)));
  body.open({ "content-type": SSE_CONTENT_TYPE });
  return {
    onToken(index) {
      const opening = index === 0 ? format.opening(head) : undefined;
      if (opening !== undefined) send(opening);
      const text = reply.text.slice(index * TOKEN_SIZE, (index + 1) * TOKEN_SIZE);
      send(format.chunk(head, text, index + 1 === reply.tokenCount ? reply.finishReason : null));
    },
    onFinished() {
      if (includesUsage) send(format.usageChunk(head, usage()));
      body.write(SSE_DONE);
      body.end();
    },
  };
}
