/**
 * What a proxy says and hears in an ext_proc conversation, for tests: messages of one request, and what the answers
 * mean.
 */
import type { HeaderPair } from "../../src/wire/ext-proc/header-map.ts";
import type { ProcessingRequestInput } from "../../src/wire/ext-proc/request-encoder.ts";
import type { ProcessingResponse } from "../../src/wire/ext-proc/response-decoder.ts";

export const CHAT_PATH = "/v1/chat/completions";
export const COMPLETIONS_PATH = "/v1/completions";

/** A chat request with one user message. */
export function chatBody(prompt: string, model = "simulated-8b", fields: object = {}): Buffer {
  return Buffer.from(JSON.stringify({ model, messages: [{ role: "user", content: prompt }], ...fields }));
}

export interface RequestHeadersOptions {
  readonly path?: string;
  readonly method?: string;
  readonly requestId?: string;
  /** Set for a request without a body. */
  readonly endOfStream?: boolean;
  readonly more?: readonly HeaderPair[];
}

/** A request's headers as Envoy sends them. */
export function requestHeaders(options: RequestHeadersOptions = {}): ProcessingRequestInput {
  const { path = CHAT_PATH, method = "POST", requestId = "request-1", endOfStream = false, more = [] } = options;
  const headers = [
    { name: ":authority", value: "models.example" },
    { name: ":path", value: path },
    { name: ":method", value: method },
    { name: ":scheme", value: "http" },
    { name: "x-request-id", value: requestId },
    ...more,
  ];
  return { kind: "requestHeaders", headers, endOfStream };
}

/** The body in pieces of `pieceSize` bytes; the last one ends the stream unless trailers will. */
export function bodyMessages(
  kind: "requestBody" | "responseBody",
  body: Buffer,
  { pieceSize = 16_384, endOfStream = true }: { pieceSize?: number; endOfStream?: boolean } = {},
): ProcessingRequestInput[] {
  const messages: ProcessingRequestInput[] = [];
  let start = 0;
  do {
    const end = Math.min(start + pieceSize, body.length);
    messages.push({ kind, body: body.subarray(start, end), endOfStream: endOfStream && end === body.length });
    start = end;
  } while (start < body.length);
  return messages;
}

/** What a proxy would do with an answer. */
export type RequestAnswer =
  | {
      readonly kind: "routed";
      readonly destination: string;
      /** All headers that are set. */
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Buffer;
      readonly pieceSizes: readonly number[];
    }
  | {
      readonly kind: "refused";
      readonly status: number;
      readonly text: string;
      readonly headers: Readonly<Record<string, string>>;
    };

/** The header settings of an answer by name. */
export function setHeaders(answer: ProcessingResponse | undefined): Record<string, string> {
  if (answer === undefined || !("common" in answer || "immediate" in answer)) return {};
  const { setHeaders: settings } = "common" in answer ? answer.common.headerMutation : answer.immediate.headers;
  return Object.fromEntries(settings.map(({ name, value }) => [name, value.toString()]));
}

/** The piece of a body that an answer carries; undefined for other answers. */
export function streamedPiece(
  answer: ProcessingResponse | undefined,
): { body: Buffer; endOfStream: boolean } | undefined {
  if (answer === undefined || !("common" in answer)) return undefined;
  const { bodyMutation } = answer.common;
  return bodyMutation?.kind === "streamed" ? bodyMutation : undefined;
}

/**
 * Reads the answers to a request's headers, body and trailers. Throws unless they are complete and in Envoy's order.
 */
export function readRequestAnswer(answers: readonly ProcessingResponse[]): RequestAnswer {
  const [first, ...rest] = answers;
  if (first?.kind === "immediateResponse") {
    const { status, body } = first.immediate;
    return { kind: "refused", status, text: body.toString(), headers: setHeaders(first) };
  }
  if (first?.kind !== "requestHeaders") throw new Error(`the first answer is ${first?.kind ?? "missing"}`);
  const pieces: Buffer[] = [];
  for (const [index, answer] of rest.entries()) {
    if (answer.kind === "requestTrailers" && index === rest.length - 1) break;
    const piece = answer.kind === "requestBody" ? streamedPiece(answer) : undefined;
    if (piece === undefined)
      throw new Error(`answer ${index + 1} is ${answer.kind}, not a piece of the request's body`);
    if (piece.endOfStream !== (index === rest.length - 1))
      throw new Error(`answer ${index + 1}: end of stream is wrong`);
    pieces.push(piece.body);
  }
  const headers = setHeaders(first);
  return {
    kind: "routed",
    destination: headers["x-gateway-destination-endpoint"] ?? "",
    headers,
    body: Buffer.concat(pieces),
    pieceSizes: pieces.map((piece) => piece.length),
  };
}
