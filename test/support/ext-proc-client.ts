/**
 * A small ext_proc client over real sockets: one connection, scripted conversations, our own codec. It says what the
 * test says, also what no proxy would.
 */
import { Client, type ClientDuplexStream, credentials, type StatusObject } from "@grpc/grpc-js";
import { systemClock } from "../../src/base/clock.ts";
import { encodeProcessingRequest, type ProcessingRequestInput } from "../../src/wire/ext-proc/request-encoder.ts";
import { decodeProcessingResponse, type ProcessingResponse } from "../../src/wire/ext-proc/response-decoder.ts";
import {
  bodyMessages,
  type RequestAnswer,
  type RequestHeadersOptions,
  readRequestAnswer,
  requestHeaders,
  streamedPiece,
} from "./ext-proc-messages.ts";

const PROCESS_PATH = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";
/** Every awaited answer comes within this, or never. */
const DEADLINE_MS = 15_000;

export interface Conversing {
  readonly answers: readonly ProcessingResponse[];
  /** The stream's status, once it is over. Never rejects. */
  readonly ended: Promise<StatusObject>;
  send(...messages: readonly ProcessingRequestInput[]): void;
  sendBytes(bytes: Buffer): void;
  halfClose(): void;
  cancel(): void;
  /** Sends a request and reads the answers to it. */
  ask(body: Buffer | undefined, options?: RequestHeadersOptions): Promise<RequestAnswer>;
  /** Resolves with all answers so far once `isEnough` of them holds; rejects when the stream ends before. */
  answered(isEnough: (answers: readonly ProcessingResponse[]) => boolean): Promise<readonly ProcessingResponse[]>;
}

export class ExtProcClient {
  readonly #client: Client;

  /** Connects with the first conversation, by a connection of its own; over TLS if told so, whoever is there. */
  constructor(port: number, options: { readonly host?: string; readonly isSecure?: boolean } = {}) {
    const { host = "127.0.0.1", isSecure = false } = options;
    const security = isSecure
      ? credentials.createSsl(null, null, null, { rejectUnauthorized: false })
      : credentials.createInsecure();
    this.#client = new Client(`${host}:${port}`, security, {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_http_proxy": 0,
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 200,
    });
  }

  open(): Conversing {
    const deadline = new Date(systemClock.wallMs() + DEADLINE_MS);
    return converse(this.#client.makeBidiStreamRequest(PROCESS_PATH, asIs, asIs, { deadline }));
  }

  /** A whole conversation: asks, and ends the stream after the answer. */
  async ask(body: Buffer | undefined, options: RequestHeadersOptions = {}): Promise<RequestAnswer> {
    const stream = this.open();
    const answer = await stream.ask(body, options);
    stream.halfClose();
    await stream.ended;
    return answer;
  }

  close(): void {
    this.#client.close();
  }
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function converse(call: ClientDuplexStream<Buffer, Buffer>): Conversing {
  const answers: ProcessingResponse[] = [];
  let waiting: (() => void)[] = [];
  let status: StatusObject | undefined;
  const wake = (): void => {
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  };
  const ended = new Promise<StatusObject>((resolve) => {
    call.on("status", (result) => {
      status = result;
      resolve(result);
      wake();
    });
  });
  call.on("data", (bytes: Buffer) => {
    answers.push(decodeProcessingResponse(bytes));
    wake();
  });
  // Repeats the status.
  call.on("error", () => undefined);
  const answered: Conversing["answered"] = async (isEnough) => {
    while (!isEnough(answers)) {
      if (status !== undefined) {
        const kinds = answers.map(({ kind }) => kind).join(", ");
        throw new Error(`the stream ended with ${status.code} "${status.details}" after answers: ${kinds || "none"}`);
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    return answers;
  };
  const sendBytes = (bytes: Buffer): void => void call.write(bytes);
  const send = (...messages: readonly ProcessingRequestInput[]): void => {
    for (const message of messages) sendBytes(encodeProcessingRequest(message));
  };
  return {
    answers,
    ended,
    send,
    sendBytes,
    halfClose: () => void call.end(),
    cancel: () => call.cancel(),
    answered,
    async ask(body, options = {}) {
      const before = answers.length;
      send(requestHeaders({ ...options, endOfStream: body === undefined }));
      if (body !== undefined) send(...bodyMessages("requestBody", body));
      const isDone = (all: readonly ProcessingResponse[]): boolean => isAnswered(all.slice(before), body !== undefined);
      return readRequestAnswer((await answered(isDone)).slice(before));
    },
  };
}

function isAnswered(answers: readonly ProcessingResponse[], hasBody: boolean): boolean {
  const last = answers.at(-1);
  if (last === undefined || last.kind === "immediateResponse") return last !== undefined;
  return hasBody ? streamedPiece(last)?.endOfStream === true : true;
}
