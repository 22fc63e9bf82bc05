/**
 * ext_proc over a bare HTTP/2 connection: half frames, resets and answers left unread, which no gRPC client lets a test
 * do. Nothing is repaired or retried.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { encodeProcessingRequest, type ProcessingRequestInput } from "../../src/wire/ext-proc/request-encoder.ts";
import { decodeProcessingResponse, type ProcessingResponse } from "../../src/wire/ext-proc/response-decoder.ts";

const PROCESS_HEADERS = {
  ":method": "POST",
  ":path": "/envoy.service.ext_proc.v3.ExternalProcessor/Process",
  "content-type": "application/grpc",
  te: "trailers",
};

/** gRPC's frame: not compressed, the message's size, the message. */
export function grpcFrame(message: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_SIZE);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const FRAME_HEAD_SIZE = 5;

/** The frames of these messages, one after the other. */
export function frames(...messages: readonly ProcessingRequestInput[]): Buffer {
  return Buffer.concat(messages.map((message) => grpcFrame(encodeProcessingRequest(message))));
}

export interface RawConnection {
  readonly session: ClientHttp2Session;
  readonly socket: Socket;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  open(): RawStream;
}

export interface RawStream {
  readonly answers: readonly ProcessingResponse[];
  /** Bytes of this stream that the connection has taken from us. */
  readonly acceptedSize: number;
  /** The gRPC status; undefined when the stream ended without one. */
  readonly ended: Promise<number | undefined>;
  write(bytes: Buffer): void;
  halfClose(): void;
  /** Tells the peer at once that the stream is over. */
  reset(): void;
  /** Begins to read answers. Until then the peer may send no more than the stream's window. */
  read(): void;
}

/** Connects to a picker. Resolves when the connection is established. */
export async function connectRaw(port: number): Promise<RawConnection> {
  const socket = connectTcp({ host: "127.0.0.1", port, noDelay: true });
  const session = connectHttp2(`http://127.0.0.1:${port}`, { createConnection: () => socket });
  // Streams report the loss of their connection by themselves.
  session.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => session.once("close", resolve));
  await new Promise<void>((resolve, reject) => session.once("connect", () => resolve()).once("error", reject));
  return { session, socket, closed, open: () => openRaw(session.request(PROCESS_HEADERS, { endStream: false })) };
}

function openRaw(stream: ClientHttp2Stream): RawStream {
  const answers: ProcessingResponse[] = [];
  let acceptedSize = 0;
  let status: number | undefined;
  let unread: Buffer = Buffer.alloc(0);
  stream.on("error", () => undefined);
  stream.on("trailers", (trailers) => {
    status = Number(trailers["grpc-status"]);
  });
  const take = (bytes: Buffer): void => {
    unread = unread.length === 0 ? bytes : Buffer.concat([unread, bytes]);
    while (unread.length >= FRAME_HEAD_SIZE) {
      const end = FRAME_HEAD_SIZE + unread.readUInt32BE(1);
      if (unread.length < end) break;
      answers.push(decodeProcessingResponse(unread.subarray(FRAME_HEAD_SIZE, end)));
      unread = unread.subarray(end);
    }
  };
  return {
    answers,
    get acceptedSize() {
      return acceptedSize;
    },
    ended: new Promise((resolve) => stream.once("close", () => resolve(status))),
    write(bytes) {
      stream.write(bytes, (error) => {
        if (!error) acceptedSize += bytes.length;
      });
    },
    halfClose: () => void stream.end(),
    reset: () => stream.close(constants.NGHTTP2_CANCEL),
    read: () => void stream.on("data", take),
  };
}
