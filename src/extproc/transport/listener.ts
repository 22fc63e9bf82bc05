/**
 * The listening socket of a shard, with TLS or without. Above it there are only sockets that give plaintext, each of
 * which has come as far as a client that may speak HTTP/2.
 *
 *   TCP connection ─► (TLS handshake) ─► onConnection ─► HTTP/2
 *                          └─ fails, or takes too long ─► onHandshakeFailed
 */
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { createServer as createTlsServer, type SecureContextOptions, type Server as TlsServer } from "node:tls";
import { assert } from "../../base/assert.ts";
import { messageOf } from "../../base/errors.ts";
import type { KeyPair, TlsServing } from "../../platform/tls.ts";

export interface Listener {
  readonly port: number;
  /** Takes no more connections. One that is in its handshake may still come. */
  stop(): void;
  /** Stops, and cuts every connection; resolves when they are gone. */
  cut(): Promise<void>;
  /** New connections see this one. Does nothing without TLS. */
  replaceCertificate(keyPair: KeyPair): void;
}

export interface ListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Lets several threads listen on the port; needs Node 22.12 or later. */
  readonly reusePort: boolean;
  /** Plaintext when absent. */
  readonly tls?: TlsServing;
  readonly onConnection: (socket: Socket) => void;
  /** A client did not come through the TLS handshake. */
  readonly onHandshakeFailed?: (reason: string) => void;
}

/** A client that is not through its handshake by then is cut: it takes one round trip, or two. */
const HANDSHAKE_MS_MAX = 10_000;

/** Listens. Rejects with the system's error when the port cannot be had. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { tls } = options;
  const server = tls === undefined ? createPlainServer(options) : createSecureServer(options, tls);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const port = await bind(server, options);
  const closed = new Promise<void>((resolve) => server.once("close", resolve));
  const stop = (): void => {
    if (server.listening) server.close();
  };
  return {
    port,
    stop,
    async cut() {
      stop();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
    replaceCertificate(keyPair) {
      if (tls !== undefined) (server as TlsServer).setSecureContext(secureContext({ ...tls, keyPair }));
    },
  };
}

function createPlainServer({ onConnection }: ListenerOptions): TcpServer {
  return createTcpServer({ noDelay: true }, onConnection);
}

function createSecureServer({ onConnection, onHandshakeFailed }: ListenerOptions, tls: TlsServing): TlsServer {
  const server = createTlsServer({
    ...secureContext(tls),
    noDelay: true,
    ALPNProtocols: ["h2"],
    handshakeTimeout: HANDSHAKE_MS_MAX,
  });
  server.on("secureConnection", onConnection);
  server.on("tlsClientError", (error: NodeJS.ErrnoException) => {
    // Who leaves before the handshake is a probe of the port.
    if (error.code !== "ECONNRESET") onHandshakeFailed?.(reasonOf(error));
  });
  return server;
}

function secureContext({ keyPair, minVersion, ciphers }: TlsServing): SecureContextOptions {
  return { cert: keyPair.cert, key: keyPair.key, minVersion, ...(ciphers !== undefined && { ciphers }) };
}

/** OpenSSL's words for bytes that are no TLS: what a proxy sends that was told to speak plaintext. */
const NOT_TLS = /ERR_SSL_(?:WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|HTTPS_PROXY_REQUEST)/;

function reasonOf(error: NodeJS.ErrnoException): string {
  if (NOT_TLS.test(error.code ?? "")) {
    return "it does not speak TLS: let the proxy use TLS for this port, or start with --secure-serving=false";
  }
  return messageOf(error);
}

function bind(server: TcpServer, { host, port, reusePort }: ListenerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // Older Node versions ignore the option; their type does not know it.
    server.listen({ host, port, ...(reusePort && { reusePort }) }, () => {
      server.removeListener("error", reject);
      const address = server.address();
      assert(typeof address === "object" && address !== null, "a TCP listener has an address");
      resolve(address.port);
    });
  });
}
