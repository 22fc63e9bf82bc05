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

/** Sends a request to a port of the loopback interface: a body with its length, or pieces without one. */
export function beginHttp(
  port: number,
  options: RequestOptions = {},
  body?: Buffer,
  pieces: readonly Buffer[] = [],
): HttpExchange {
  const outgoing = request({
    host: "127.0.0.1",
    port,
    agent: false,
    signal: AbortSignal.timeout(DEADLINE_MS),
    ...options,
  });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on("response", resolve);
    outgoing.on("error", reject);
  });
  if (body !== undefined) outgoing.setHeader("content-length", body.length);
  for (const piece of pieces) outgoing.write(piece);
  outgoing.end(body);
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
