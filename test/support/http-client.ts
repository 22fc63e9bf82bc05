/** HTTP as a client of the proxy speaks it: a connection of its own per request, whole answers or piece by piece. */
import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from "node:http";
import { CHAT_PATH, chatBody } from "./ext-proc-messages.ts";

/** An answer takes no longer than this, or never comes. */
const DEADLINE_MS = 15_000;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  readonly text: string;
}

export interface HttpExchange {
  readonly request: ClientRequest;
  /** Resolves with the head of the answer. */
  readonly response: Promise<IncomingMessage>;
}

/**
 * Sends a request to a port of the loopback interface. A body goes with its length, a list of pieces without one; of a
 * body that "follows" the caller writes what there is.
 */
export function beginHttp(
  port: number,
  options: RequestOptions = {},
  body?: Buffer | readonly Buffer[] | "follows",
): HttpExchange {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const outgoing = request({ host: "127.0.0.1", port, agent: false, signal, ...options });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on("response", resolve);
    outgoing.on("error", reject);
  });
  if (Buffer.isBuffer(body)) outgoing.setHeader("content-length", body.length);
  if (body === "follows") return { request: outgoing, response };
  for (const piece of Buffer.isBuffer(body) ? [body] : (body ?? [])) outgoing.write(piece);
  outgoing.end();
  return { request: outgoing, response };
}

/** The whole answer. Rejects when it is cut off. */
export async function readHttp(response: IncomingMessage): Promise<HttpAnswer> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  return { status: response.statusCode ?? 0, headers: response.headers, body, text: body.toString() };
}

export async function getHttp(port: number, path: string): Promise<HttpAnswer> {
  return await readHttp(await beginHttp(port, { path }).response);
}

export async function postHttp(port: number, path: string, body: Buffer): Promise<HttpAnswer> {
  const headers = { "content-type": "application/json" };
  return await readHttp(await beginHttp(port, { method: "POST", path, headers }, body).response);
}

/** A chat request with one user message. */
export async function postChat(port: number, prompt: string, fields: object = {}): Promise<HttpAnswer> {
  return await postHttp(port, CHAT_PATH, chatBody(prompt, undefined, fields));
}
