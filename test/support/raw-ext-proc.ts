/**
 * ext_proc over a bare HTTP/2 connection: half frames, resets and answers left unread, which no gRPC client lets a test
 * do. Nothing is repaired or retried.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { encodeProcessingRequest, type ProcessingRequestInput } from "../../src/wire/ext-proc/request-encoder.ts";
import { decodeProcessingResponse, type ProcessingResponse } from "../../src/wire/ext-proc/response-decoder.ts";
import { until } from "./until.ts";

const HOST = "127.0.0.1";
const PROCESS_PATH = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/** gRPC's frame: not compressed, the message's size, the message. */
function grpcFrame(message: Buffer): Buffer {
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
  readonly socket: Socket;
  /** The peer has said that it takes no more streams here. */
  readonly isGivenUp: boolean;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  /** Begins a stream, and reads its answers unless told otherwise: then the peer may send no more than a window. */
  open(options?: RawStreamOptions): RawStream;
  /** Ends it when its streams have ended. */
  end(): void;
}

export interface RawStreamOptions {
  readonly isUnread?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RawStream {
  readonly answers: readonly ProcessingResponse[];
  /** The gRPC status; undefined when the stream ended without one. */
  readonly ended: Promise<number | undefined>;
  /** Resolves when the connection has taken the bytes: with true, or with false because the stream is over. */
  write(bytes: Buffer): Promise<boolean>;
  /** Resolves with all answers so far once there are so many. */
  answered(count: number): Promise<readonly ProcessingResponse[]>;
  halfClose(): void;
  /** Tells the peer at once that the stream is over. */
  reset(): void;
  /** Begins to read the answers of an unread stream. */
  read(): void;
}

/** Connects to a picker, over TLS if told so. Resolves when the connection is established. */
export async function connectRaw(
  port: number,
  { isSecure = false }: { readonly isSecure?: boolean } = {},
): Promise<RawConnection> {
  const tcp = connectTcp({ host: HOST, port, noDelay: true });
  // Nobody has signed what it shows.
  const socket = isSecure ? connectTls({ socket: tcp, ALPNProtocols: ["h2"], rejectUnauthorized: false }) : tcp;
  const session = connectHttp2(`http://${HOST}:${port}`, { createConnection: () => socket });
  await new Promise<void>((resolve, reject) => session.once("connect", () => resolve()).once("error", reject));
  // Streams tell of the loss of their connection by themselves.
  session.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => session.once("close", resolve));
  return {
    socket,
    closed,
    get isGivenUp() {
      return session.closed;
    },
    open: (options = {}) => openRaw(session, options),
    end: () => session.close(),
  };
}

function openRaw(session: ClientHttp2Session, { isUnread = false, headers = {} }: RawStreamOptions): RawStream {
  const head = { ":method": "POST", ":path": PROCESS_PATH, "content-type": "application/grpc", te: "trailers" };
  const stream: ClientHttp2Stream = session.request({ ...head, ...headers }, { endStream: false });
  const answers: ProcessingResponse[] = [];
  let status: number | undefined;
  let isOver = false;
  const ended = new Promise<number | undefined>((resolve) => {
    const onOver = (): void => {
      isOver = true;
      resolve(status);
    };
    stream.once("close", onOver);
    // A refusal that is sent while we still send may be answered by neither side's end.
    stream.once("end", onOver);
  });
  stream.on("error", () => undefined);
  const takeStatus = (fields: Readonly<Record<string, unknown>>): void => {
    if (fields["grpc-status"] !== undefined) status = Number(fields["grpc-status"]);
  };
  // Where there is no answer the status comes with the headers.
  stream.on("response", takeStatus);
  stream.on("trailers", takeStatus);
  const reader = new AnswerReader((answer) => answers.push(answer));
  const read = (): void => void stream.on("data", (bytes: Buffer) => reader.push(bytes));
  if (!isUnread) read();
  return {
    answers,
    ended,
    async write(bytes) {
      const taken = new Promise<boolean>((resolve) => stream.write(bytes, (error) => resolve(!error)));
      return await Promise.race([taken, ended.then(() => false)]);
    },
    async answered(count) {
      await until(`${count} answers have come`, () => {
        if (isOver && answers.length < count) throw new Error(`the stream ended after ${answers.length} answers`);
        return answers.length >= count;
      });
      return answers;
    },
    halfClose: () => void stream.end(),
    reset: () => stream.close(constants.NGHTTP2_CANCEL),
    read,
  };
}

/** Cuts the bytes of a stream into answers. */
class AnswerReader {
  readonly #onAnswer: (answer: ProcessingResponse) => void;
  #unread: Buffer = Buffer.alloc(0);

  constructor(onAnswer: (answer: ProcessingResponse) => void) {
    this.#onAnswer = onAnswer;
  }

  push(bytes: Buffer): void {
    this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    while (this.#unread.length >= FRAME_HEAD_SIZE) {
      const end = FRAME_HEAD_SIZE + this.#unread.readUInt32BE(1);
      if (this.#unread.length < end) return;
      this.#onAnswer(decodeProcessingResponse(this.#unread.subarray(FRAME_HEAD_SIZE, end)));
      this.#unread = this.#unread.subarray(end);
    }
  }
}
