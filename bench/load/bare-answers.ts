/**
 * What a bare server answers: each message with fixed bytes, as many and as large as a picker's. No prompt is read, no
 * endpoint is known.
 */
import { decodeProcessingRequest } from "../../src/wire/ext-proc/request-decoder.ts";
import {
  encodeHeadersResponse,
  encodeStreamedBodyResponse,
  encodeTrailersResponse,
} from "../../src/wire/ext-proc/response-encoder.ts";

/** Bytes of a body per answer: a picker's. */
const PIECE_SIZE = 62_000;
const CHUNK_SIZE = 230;

const ENDPOINT = { name: "x-gateway-destination-endpoint", value: "192.0.2.1:8000" };
const REQUEST_HEADERS_ANSWER: Buffer = encodeHeadersResponse("request", {
  setHeaders: [ENDPOINT],
  clearRouteCache: true,
  dynamicMetadata: { "envoy.lb": { [ENDPOINT.name]: ENDPOINT.value } },
});
const RESPONSE_HEADERS_ANSWERS: readonly Buffer[] = [
  encodeHeadersResponse("response", {
    setHeaders: [{ name: "x-went-into-resp-headers", value: "true" }],
  }),
];
const CHUNK_ANSWERS: readonly Buffer[] = [encodeStreamedBodyResponse("response", Buffer.alloc(CHUNK_SIZE, " "), false)];
const RESPONSE_END_ANSWERS: readonly Buffer[] = [encodeStreamedBodyResponse("response", Buffer.alloc(0), true)];
const REQUEST_TRAILERS_ANSWERS: readonly Buffer[] = [encodeTrailersResponse("request")];
const RESPONSE_TRAILERS_ANSWERS: readonly Buffer[] = [encodeTrailersResponse("response")];

const REQUEST_HEADERS_ANSWERS: readonly Buffer[] = [REQUEST_HEADERS_ANSWER];
const NONE: readonly Buffer[] = [];

/** One stream. */
export class BareExchange {
  #bodySize = 0;

  /** The messages that answer this one, which the picker would send, too. */
  answersTo(bytes: Buffer): readonly Buffer[] {
    const message = decodeProcessingRequest(bytes);
    switch (message.kind) {
      case "requestHeaders":
        return message.endOfStream ? REQUEST_HEADERS_ANSWERS : NONE;
      case "requestBody":
        this.#bodySize += message.body.length;
        return message.endOfStream ? requestAnswers(this.#bodySize) : NONE;
      case "requestTrailers":
        return REQUEST_TRAILERS_ANSWERS;
      case "responseHeaders":
        return RESPONSE_HEADERS_ANSWERS;
      case "responseBody":
        return message.endOfStream ? RESPONSE_END_ANSWERS : CHUNK_ANSWERS;
      case "responseTrailers":
        return RESPONSE_TRAILERS_ANSWERS;
      case "unknown":
        return NONE;
    }
  }
}

/** The headers' answer and the body's, by the body's size. Bodies of a run have one size. */
const knownAnswers = new Map<number, readonly Buffer[]>();
const KNOWN_SIZES_MAX = 64;

function requestAnswers(bodySize: number): readonly Buffer[] {
  const known = knownAnswers.get(bodySize);
  if (known !== undefined) return known;
  const answers = [REQUEST_HEADERS_ANSWER];
  for (let start = 0; start < bodySize; start += PIECE_SIZE) {
    const piece = Buffer.alloc(Math.min(PIECE_SIZE, bodySize - start), " ");
    answers.push(encodeStreamedBodyResponse("request", piece, start + piece.length === bodySize));
  }
  if (knownAnswers.size < KNOWN_SIZES_MAX) knownAnswers.set(bodySize, answers);
  return answers;
}
