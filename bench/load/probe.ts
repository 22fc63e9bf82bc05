/**
 * One exchange with a picker by Node's own HTTP/2 client, before any load: it shows in words what is wrong, and whether
 * the picker wants to see the response. The load itself does not look into headers or bodies.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import type { Clock } from "../../src/base/clock.ts";
import { ConfigError } from "../../src/base/errors.ts";
import {
  type CommonResponse,
  decodeProcessingResponse,
  type ProcessingResponse,
} from "../../src/wire/ext-proc/response-decoder.ts";
import { GrpcFrameReader } from "../../src/wire/grpc-frame.ts";
import type { Target } from "./connection.ts";
import type { ExchangeScript } from "./exchange-script.ts";

export interface Probe {
  /** Value of the destination header. */
  readonly destination: string;
  /** Bytes of the body as the picker sends it on. */
  readonly bodySize: number;
  /** The picker ended the stream after the pick: it does not want the response. */
  readonly endsAfterPick: boolean;
}

export interface ProbeOptions {
  readonly target: Target;
  readonly authority: string;
  readonly script: ExchangeScript;
  readonly timeoutMs: number;
}

const PROCESS_PATH = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";
const DESTINATION = "x-gateway-destination-endpoint";
/** Larger than any answer in full duplex. */
const ANSWER_SIZE_MAX = 16 * 1024 * 1024;

/** Rejects with a ConfigError that says what the target did instead. */
export async function probe(options: ProbeOptions, clock: Clock): Promise<Probe> {
  const { host, port, isTls } = options.target;
  const name = host.includes(":") ? `[${host}]` : host;
  const session = connect(`${isTls ? "https" : "http"}://${name}:${port}`, { rejectUnauthorized: false });
  let timer: { cancel(): void } | undefined;
  try {
    return await new Promise<Probe>((resolve, reject) => {
      const fail = (what: string): void => reject(new ConfigError(`${host}:${port} ${what}`));
      timer = clock.setTimeout(() => fail(`did not answer in ${options.timeoutMs / 1000} s`), options.timeoutMs);
      session.once("error", (error: Error) => fail(`cannot be spoken to: ${error.message}`));
      runExchange(session, options, resolve, fail);
    });
  } finally {
    timer?.cancel();
    session.destroy();
  }
}

function runExchange(
  session: ClientHttp2Session,
  { authority, script }: ProbeOptions,
  resolve: (probe: Probe) => void,
  fail: (what: string) => void,
): void {
  const stream = session.request({
    ":method": "POST",
    ":path": PROCESS_PATH,
    ":authority": authority,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const { messages, requestCount } = script;
  const seen = { destination: "", bodySize: 0, isPicked: false };
  const takeAnswer = (answer: ProcessingResponse): void => {
    if (answer.kind === "immediateResponse") {
      const { status, body } = answer.immediate;
      return fail(`refuses the request with ${status}: ${body.toString()}`);
    }
    const piece = "common" in answer ? answer.common.bodyMutation : undefined;
    if (answer.kind === "requestHeaders") seen.destination = destinationOf(answer.common);
    const isBody = answer.kind === "requestBody" || answer.kind === "responseBody";
    if (isBody && piece?.kind !== "streamed") return fail("does not answer bodies as full duplex wants it");
    if (piece?.kind !== "streamed") return;
    if (answer.kind === "requestBody") seen.bodySize += piece.body.length;
    if (!piece.endOfStream) return;
    if (answer.kind === "responseBody") return resolve({ ...seen, endsAfterPick: false });
    seen.isPicked = true;
    for (const { bytes } of messages.slice(requestCount)) stream.write(bytes);
  };
  readAnswers(stream, takeAnswer);
  stream.once("error", (error: Error) => fail(`ends the stream: ${error.message}`));
  const onStatus = (headers: IncomingHttpHeaders): void => {
    const { "grpc-status": status, "grpc-message": message = "" } = headers;
    if (status === undefined) return;
    if (status === "0" && seen.isPicked) return resolve({ ...seen, endsAfterPick: true });
    fail(`ends the stream with gRPC status ${status.toString()}: ${message.toString()}`);
  };
  stream.on("trailers", onStatus);
  // A stream that fails at once has its status there.
  stream.on("response", onStatus);
  for (const { bytes } of messages.slice(0, requestCount)) stream.write(bytes);
}

function readAnswers(stream: ClientHttp2Stream, takeAnswer: (answer: ProcessingResponse) => void): void {
  const reader = new GrpcFrameReader({
    messageSizeMax: ANSWER_SIZE_MAX,
    onMessage: (message) => takeAnswer(decodeProcessingResponse(message)),
  });
  stream.on("data", (bytes: Buffer) => reader.push(bytes));
}

function destinationOf({ headerMutation }: CommonResponse): string {
  return headerMutation.setHeaders.find(({ name }) => name === DESTINATION)?.value.toString() ?? "";
}
