/**
 * When an HTTP/2 connection takes no more streams. The proxy is told (GOAWAY) and opens a new connection; streams that
 * are open, or on their way, are served on the old one, which the proxy closes after the last of them.
 *
 * Node's HTTP/2 takes 1,000 resets per connection and 33 more per second, then gives the connection up, and streams on
 * their way are lost. Envoy resets every ext_proc stream, also those of requests that went well. So a connection is
 * given up before it has had as many streams. Newer versions of Node can lift the limit instead, but a proxy that
 * reconnects also finds another shard now and then, which spreads what few connections carry.
 */
import type { ServerHttp2Session } from "node:http2";
import type { PlainConnection } from "./plain-side.ts";

export interface Connection {
  readonly socket: PlainConnection;
  readonly session: ServerHttp2Session;
}

/** Below the 1,000 resets that Node takes, by what may be on its way when the proxy is told. */
export const STREAMS_PER_CONNECTION_MAX = 800;

/** A connection, and what it carries. */
export interface ServedConnection extends Connection {
  openStreamCount: number;
  /** The proxy was not told to replace it. */
  takesStreams: boolean;
}

/** Counts the streams of a new connection, and tells the proxy after STREAMS_PER_CONNECTION_MAX of them. */
export function countConnection(connection: Connection): ServedConnection {
  const served: ServedConnection = { ...connection, openStreamCount: 0, takesStreams: true };
  let streamCount = 0;
  connection.session.on("stream", (stream) => {
    served.openStreamCount++;
    stream.once("close", () => served.openStreamCount--);
    streamCount++;
    if (streamCount === STREAMS_PER_CONNECTION_MAX) replaceConnection(served);
  });
  return served;
}

/** Tells the proxy, once, to open another one. */
export function replaceConnection(connection: ServedConnection): void {
  if (connection.takesStreams && connection.socket.writable) connection.socket.write(GOAWAY);
  connection.takesStreams = false;
}

/** Tells the proxy now. `onHeard` is called once when every stream that it had begun before has come, or none can. */
export function announceEnd({ session, socket }: Connection, onHeard: () => void): void {
  if (session.destroyed || !socket.writable) return onHeard();
  socket.write(GOAWAY);
  // What is answered after this frame was sent after that one was read. The loss of the connection answers, too.
  const isSent = session.ping(onHeard);
  if (!isSent) onHeard();
}

/**
 * A GOAWAY frame that refuses no stream (RFC 9113, 6.8). It is written beside Node's HTTP/2, which writes whole frames
 * only: after a GOAWAY of its own it would pass over streams on their way without a word.
 *
 *  0        3      4       5        9             13           17
 *  ├────────┼──────┼───────┼────────┼─────────────┼────────────┤
 *  │ size 8 │ type │ flags │ stream │ last stream │ error code │
 *  └────────┴──────┴───────┴────────┴─────────────┴────────────┘
 */
const GOAWAY: Buffer = Buffer.from("0000080700000000007fffffff00000000", "hex");
