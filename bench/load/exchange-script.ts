/**
 * What a proxy says in one exchange, encoded once and sent many times: message by message as Envoy 1.40 sends it with
 * bodies in FULL_DUPLEX_STREAMED. Envoy names its body modes in the first message and adds empty metadata to each.
 *
 *   request headers, body pieces … │ pick │ response headers, SSE chunks …, an empty end
 */
import type { Prng } from "../../src/base/prng.ts";
import { BODY_SEND_MODE } from "../../src/wire/ext-proc/fields.ts";
import { encodeProcessingRequest, type ProcessingRequestInput } from "../../src/wire/ext-proc/request-encoder.ts";
import { makePrompts, type Prompt, SERIAL_SIZE } from "./prompts.ts";

export interface ScriptOptions {
  readonly path: string;
  readonly model: string;
  /** Bytes of a request body. */
  readonly bodySize: number;
  /** Bytes of a body per message. */
  readonly pieceSize: number;
  readonly prefixGroupCount: number;
  readonly prefixShare: number;
  /** SSE chunks of a response; the last one holds usage and `[DONE]`. */
  readonly chunkCount: number;
  /** Request headers in front of the usual ones. The first `NO_SERIAL` in any header becomes the serial number. */
  readonly headers?: Readonly<Record<string, string>>;
  /** 200 when absent. */
  readonly responseStatus?: number;
  /** Bytes that the body lacks at its end. */
  readonly cutSize?: number;
}

export interface ScriptMessage {
  /** In its gRPC frame. */
  readonly bytes: Buffer;
  /** Where the exchange's serial number belongs; undefined where there is none. */
  readonly serialAt: number | undefined;
}

export interface ExchangeScript {
  readonly messages: readonly ScriptMessage[];
  /** Messages until the pick is due. */
  readonly requestCount: number;
  /** What is to come of it; absent: the whole response is answered. */
  readonly outcome?: ScriptOutcome;
}

/** An exchange that is not to go well: the picker refuses it, or the client goes away behind the last message. */
export type ScriptOutcome = { readonly kind: "refused"; readonly httpStatus: number } | { readonly kind: "abandoned" };

/** For benches that vary little: chat requests in 16 groups, each of which shares three quarters of its prompts. */
export function scriptOptions(varied: Partial<ScriptOptions>): ScriptOptions {
  const request = { path: "/v1/chat/completions", model: "simulated-8b", bodySize: 4_096, pieceSize: 65_536 };
  return { ...request, chunkCount: 1, prefixGroupCount: 16, prefixShare: 0.75, ...varied };
}

/** One script per prefix group. */
export function makeScripts(options: ScriptOptions, prng: Prng): ExchangeScript[] {
  const { bodySize, pieceSize, model } = options;
  const { prefixGroupCount: groupCount, prefixShare: sharedFraction } = options;
  const prompts = makePrompts({ bodySize, pieceSize, model, groupCount, sharedFraction, prng });
  const headers = requestHeaders(options);
  const response = responseMessages(options);
  return prompts.map((prompt) => {
    const request = [headers, ...bodyMessages(prompt, options)];
    return { messages: [...request, ...response], requestCount: request.length };
  });
}

/** Where the serial number will stand in a header. */
export const NO_SERIAL: string = "0".repeat(SERIAL_SIZE);

function requestHeaders({ path, bodySize, headers: first }: ScriptOptions): ScriptMessage {
  const headers = Object.entries({
    ...first,
    ":authority": "models.example",
    ":path": path,
    ":method": "POST",
    ":scheme": "http",
    "content-type": "application/json",
    authorization: "Bearer sk-0123456789abcdef0123456789abcdef",
    accept: "*/*",
    "user-agent": "OpenAI/Python 1.99.0",
    "accept-encoding": "gzip, deflate",
    "content-length": String(bodySize),
    "x-forwarded-proto": "http",
    "x-request-id": `6ec3789b-87e0-42a2-84f0-${NO_SERIAL}`,
  }).map(([name, value]) => ({ name, value }));
  const protocolConfig = {
    requestBodyMode: BODY_SEND_MODE.fullDuplexStreamed,
    responseBodyMode: BODY_SEND_MODE.fullDuplexStreamed,
  };
  const message = encode({ kind: "requestHeaders", headers, protocolConfig });
  return { bytes: message, serialAt: message.indexOf(NO_SERIAL) };
}

function bodyMessages(
  { body: whole, serialAt }: Prompt,
  { pieceSize, cutSize = 0 }: Pick<ScriptOptions, "pieceSize" | "cutSize">,
): ScriptMessage[] {
  const body = whole.subarray(0, whole.length - cutSize);
  const messages: ScriptMessage[] = [];
  for (let start = 0; start < body.length; start += pieceSize) {
    const piece = body.subarray(start, start + pieceSize);
    const bytes = encode({ kind: "requestBody", body: piece, endOfStream: start + piece.length === body.length });
    const isInPiece = serialAt >= start && serialAt < start + piece.length;
    // The body stands as it is in the message.
    messages.push({ bytes, serialAt: isInPiece ? bytes.indexOf(piece) + serialAt - start : undefined });
  }
  return messages;
}

function responseMessages({ chunkCount, model, responseStatus = 200 }: ScriptOptions): ScriptMessage[] {
  const headers = Object.entries({
    ":status": String(responseStatus),
    "content-type": "text/event-stream; charset=utf-8",
    date: "Fri, 20 Nov 2026 12:00:00 GMT",
    server: "uvicorn",
    "transfer-encoding": "chunked",
    "x-envoy-upstream-service-time": "41",
  }).map(([name, value]) => ({ name, value }));
  const usage = { prompt_tokens: 1000, completion_tokens: chunkCount, total_tokens: 1000 + chunkCount };
  const token = responseBody(sseEvent(model, { choices: [{ index: 0, delta: { content: " word" } }] }), false);
  const last = responseBody(`${sseEvent(model, { choices: [], usage })}data: [DONE]\n\n`, false);
  return [
    fixed(encode({ kind: "responseHeaders", headers })),
    ...Array.from({ length: chunkCount - 1 }, () => token),
    last,
    responseBody("", true),
  ];
}

function responseBody(text: string, endOfStream: boolean): ScriptMessage {
  return fixed(encode({ kind: "responseBody", body: Buffer.from(text), endOfStream }));
}

function sseEvent(model: string, fields: object): string {
  const event = {
    id: "chatcmpl-8f14e45fceea167a5a36dedd4bea2543",
    object: "chat.completion.chunk",
    created: 1_795_176_000,
    model,
  };
  return `data: ${JSON.stringify({ ...event, ...fields })}\n\n`;
}

function fixed(bytes: Buffer): ScriptMessage {
  return { bytes, serialAt: undefined };
}

/** With the empty metadata that Envoy sends, in a gRPC frame. */
function encode(input: ProcessingRequestInput): Buffer {
  const message = encodeProcessingRequest({ ...input, metadataContext: {} });
  const head = Buffer.alloc(GRPC_HEAD_SIZE);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const GRPC_HEAD_SIZE = 5;
