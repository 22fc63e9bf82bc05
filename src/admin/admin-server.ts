/**
 * The HTTP server on the metrics port: finds the page of a path, writes its pieces no faster than the client takes
 * them, and lets other work of the control thread pass between two of them. No request for a model passes here.
 *
 * Whoever comes to this port may be slow, many, or both: connections, answers and times are bounded, and what is over a
 * bound is dropped or refused and counted (`AdminServer.counts`), never queued.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer, Server as HttpsServer } from "node:https";
import type { SecureContextOptions } from "node:tls";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { ConfigError, messageOf } from "../base/errors.ts";
import { nextTurn } from "../base/turn.ts";
import type { KeyPair } from "../platform/tls.ts";
import { type AdminPage, PageError, TEXT_TYPE } from "./page.ts";

/** Open connections; further ones are closed as they come. A few scrapers and people need a handful. */
const CONNECTIONS_MAX = 64;
/** Answers that are made at once; further requests get 503. */
const ANSWERS_MAX = 16;
/** A request that has not come whole by then is given up. */
const REQUEST_MS_MAX = 5_000;
/** How often that is looked for. */
const REQUEST_CHECK_MS = 1_000;
/** A connection without a request is closed after that; scrapers come back within 15 or 30 s. */
const IDLE_MS_MAX = 35_000;
/** A client that takes nothing for so long is cut off. */
const STALL_MS_MAX = 10_000;
/** No answer takes longer than the longest profile, 300 s, and as long again to be taken. */
const ANSWER_MS_MAX = 600_000;

export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface AdminHttpServer extends AdminServer {
  /** Shows another certificate from now on, where TLS is spoken. */
  useKeyPair(keyPair: KeyPair): void;
}

/** With `clientCa` (PEM), only clients with a certificate that it has signed are served. */
export interface AdminTls {
  readonly keyPair: KeyPair;
  readonly clientCa?: string | undefined;
}

export interface AdminServerOptions {
  readonly host: string;
  readonly port: number;
  readonly pages: readonly AdminPage[];
  /** Pages that are not early say 503 until then. */
  readonly isStarted: () => boolean;
  readonly tls?: AdminTls | undefined;
  readonly clock: Clock;
  /** Called for each connection and request that is over a bound, with which. */
  readonly onOverload?: (what: "connections" | "answers" | "stalled") => void;
}

/** Throws a ConfigError when the port cannot be had. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminHttpServer> {
  const site = new Site(options);
  const server = createServer(options.tls, (request, response) => {
    // A page that fails while it is given up must not end the picker.
    site.serve(request, response).catch(() => response.destroy());
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.headersTimeout = REQUEST_MS_MAX;
  server.requestTimeout = REQUEST_MS_MAX;
  server.keepAliveTimeout = IDLE_MS_MAX;
  server.on("drop", () => options.onOverload?.("connections"));
  return {
    port: await listenOrExplain(server, options, "--metrics-port"),
    useKeyPair(keyPair) {
      if (server instanceof HttpsServer) server.setSecureContext(secureContext({ ...options.tls, keyPair }));
    },
    close: () => closeServer(server),
  };
}

class Site {
  readonly #options: AdminServerOptions;
  readonly #pages: ReadonlyMap<string, AdminPage>;
  #answerCount = 0;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#pages = new Map(options.pages.map((page) => [page.path, page]));
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A body is of no interest; unread, it would hold the connection.
    request.resume();
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      return refuse(response, 405, "only GET and HEAD are served here");
    }
    const page = this.#pages.get(path);
    if (page === undefined) return refuse(response, 404, `not found; served here: ${this.#list()}`);
    if (!page.isEarly && !this.#options.isStarted()) return refuse(response, 503, "the picker is starting; try again");
    if (this.#answerCount >= ANSWERS_MAX) {
      this.#options.onOverload?.("answers");
      return refuse(response, 503, `${ANSWERS_MAX} answers are under way; try again`);
    }
    const parsed = new URLSearchParams(query);
    if (request.method === "HEAD") return void response.writeHead(200, headersOf(page, parsed)).end();
    this.#answerCount++;
    try {
      await this.#answer(page, parsed, response);
    } finally {
      this.#answerCount--;
    }
  }

  #list(): string {
    return [...this.#pages.keys()].join(" ");
  }

  /** Writes the page's pieces. The first one is waited for before the status is sent: until then it may be an error. */
  async #answer(page: AdminPage, query: URLSearchParams, response: ServerResponse): Promise<void> {
    const abort = new AbortController();
    response.once("close", () => abort.abort());
    const timer = this.#options.clock.setTimeout(() => response.destroy(), ANSWER_MS_MAX);
    const pieces = page.answer({ query, signal: abort.signal })[Symbol.asyncIterator]();
    try {
      let piece = await pieces.next();
      response.writeHead(200, headersOf(page, query));
      while (piece.done !== true && !abort.signal.aborted) {
        if (!response.write(piece.value)) await this.#drained(response);
        await nextTurn();
        piece = await pieces.next();
      }
      response.end();
    } catch (error) {
      if (response.headersSent) response.destroy();
      else if (error instanceof PageError) refuse(response, error.status, error.message);
      else refuse(response, 500, messageOf(error));
    } finally {
      timer.cancel();
      await pieces.return?.();
    }
  }

  /** Resolves when the client has taken what was written, or is gone. */
  #drained(response: ServerResponse): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimeout(() => {
        this.#options.onOverload?.("stalled");
        response.destroy();
      }, STALL_MS_MAX);
      const end = (): void => {
        timer.cancel();
        response.off("drain", end).off("close", end);
        resolve();
      };
      response.on("drain", end).on("close", end);
      if (response.destroyed) end();
    });
  }
}

function headersOf(page: AdminPage, query: URLSearchParams): Record<string, string> {
  const name = page.fileName?.(query);
  return {
    "content-type": page.contentType,
    "cache-control": "no-store",
    ...(name !== undefined && { "content-disposition": `attachment; filename="${name}"` }),
  };
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { "content-type": TEXT_TYPE }).end(`${reason}\n`);
}

function createServer(
  tls: AdminTls | undefined,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const bounds = { connectionsCheckingInterval: REQUEST_CHECK_MS };
  if (tls === undefined) return createHttpServer(bounds, serve);
  const mutual = { requestCert: true, rejectUnauthorized: true };
  const asks = tls.clientCa === undefined ? {} : mutual;
  return createHttpsServer({ ...bounds, ...secureContext(tls), ...asks, handshakeTimeout: REQUEST_MS_MAX }, serve);
}

function secureContext({ keyPair, clientCa }: AdminTls): SecureContextOptions {
  return { ...keyPair, ...(clientCa !== undefined && { ca: clientCa }) };
}

function listenOrExplain(
  server: Server,
  { host, port }: { host: string; port: number },
  flag: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === "EADDRINUSE" ? "is taken by another program" : `cannot be listened on: ${error.message}`;
      reject(new ConfigError(`port ${port} on ${host} ${reason}; choose another one with ${flag}`, { cause: error }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      assert(typeof address === "object" && address !== null, "a TCP listener has an address");
      resolve(address.port);
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
