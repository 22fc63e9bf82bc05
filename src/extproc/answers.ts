/** What a conversation answers: a decision or a refusal as ext_proc messages. */
import type { EppError } from "../base/errors.ts";
import type { Routed } from "../director/request.ts";
import type { HeaderChange } from "../framework/request.ts";
import {
  type BodyMutation,
  type CommonAnswer,
  encodeBodyResponse,
  encodeHeadersResponse,
  encodeImmediateResponse,
  type HeaderSetting,
  type ProcessingMode,
} from "../wire/ext-proc/response-encoder.ts";
import type { StructObject } from "../wire/ext-proc/struct.ts";
import {
  DESTINATION_ENDPOINT,
  DESTINATION_ENDPOINT_SCORES,
  DROPPED_REASON,
  LB_NAMESPACE,
  REQUEST_ID,
  WENT_INTO_RESPONSE_HEADERS,
} from "./names.ts";

export interface RoutedAnswer {
  readonly routed: Routed;
  /** Bytes of the body that will be sent on; undefined, or 0, sets no length. */
  readonly bodySize?: number;
  /** Set when the picker made it because the request had none. */
  readonly newRequestId: string | undefined;
  /** Control headers that the client sent. */
  readonly removeHeaders: readonly string[];
  /** Asks the proxy not to show the response's body. */
  readonly modeOverride?: ProcessingMode;
}

/** Answers the request's headers with the pick: only what changes is set. Valid until the next call. */
export function encodeRouted(answer: RoutedAnswer): Buffer {
  if (isUsual(answer)) return usualAnswer(answer);
  const { modeOverride } = answer;
  return encodeHeadersResponse("request", { ...routedMutation(answer), ...(modeOverride && { modeOverride }) });
}

/** An answer in which nothing differs from others to the same endpoint but the digits of a length. */
interface UsualAnswer {
  readonly message: Buffer;
  readonly digitsStart: number;
  readonly digitsEnd: number;
}

/** Endpoints whose answers are kept, twice as many as there may be: addresses change. All go when there are more. */
const USUAL_ENDPOINTS_MAX = 1_024;

/** By address, then by the number of digits. To write digits takes 0.1 µs, to encode a message 1.2 µs. */
const usualAnswers = new Map<string, (UsualAnswer | undefined)[]>();

function isUsual({ routed, newRequestId, removeHeaders, modeOverride }: RoutedAnswer): boolean {
  if (newRequestId !== undefined || removeHeaders.length > 0 || modeOverride !== undefined) return false;
  return routed.pick.targets.length === 1 && routed.headers.length === 0 && routed.candidates === undefined;
}

function usualAnswer(answer: RoutedAnswer): Buffer {
  const { routed, bodySize = 0 } = answer;
  const [destination = ""] = routed.pick.targets;
  let answers = usualAnswers.get(destination);
  if (answers === undefined) {
    if (usualAnswers.size === USUAL_ENDPOINTS_MAX) usualAnswers.clear();
    answers = [];
    usualAnswers.set(destination, answers);
  }
  const digitCount = digitsOf(bodySize);
  const usual = (answers[digitCount] ??= encodeUsual(answer, digitCount));
  let rest = bodySize;
  for (let at = usual.digitsEnd - 1; at >= usual.digitsStart; at--) {
    usual.message[at] = DIGIT_0 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return usual.message;
}

const DIGIT_0 = 0x30;
/** Tag and size of a header's value, behind its name. */
const VALUE_HEAD_SIZE = 2;

function encodeUsual(answer: RoutedAnswer, digitCount: number): UsualAnswer {
  const message = encodeHeadersResponse("request", routedMutation(answer));
  // An address does not contain it.
  const digitsStart = message.indexOf(CONTENT_LENGTH) + CONTENT_LENGTH.length + VALUE_HEAD_SIZE;
  return { message, digitsStart, digitsEnd: digitsStart + digitCount };
}

/** Of the length that is set; 0 where none is. */
function digitsOf(bodySize: number): number {
  let count = 0;
  for (let rest = bodySize; rest > 0; rest = Math.floor(rest / 10)) count++;
  return count;
}

const CONTENT_LENGTH = "content-length";

/** Answers a buffered body with the pick, which then also changes the headers. */
export function encodeRoutedBody(answer: RoutedAnswer, bodyMutation: BodyMutation | undefined): Buffer {
  return encodeBodyResponse("request", { ...routedMutation(answer), ...(bodyMutation && { bodyMutation }) });
}

function routedMutation({ routed, bodySize = 0, newRequestId, removeHeaders }: RoutedAnswer): CommonAnswer {
  const destination = destinationOf(routed);
  const setHeaders: HeaderSetting[] = [{ name: DESTINATION_ENDPOINT, value: destination }];
  // A proxy that streams a body through a processor drops the client's length. Envoy takes ours only where its
  // configuration says `allow_content_length_header`, and sends the body in chunks otherwise.
  if (bodySize > 0) setHeaders.push({ name: CONTENT_LENGTH, value: String(bodySize) });
  if (newRequestId !== undefined) setHeaders.push({ name: REQUEST_ID, value: newRequestId });
  for (const header of routed.headers) if (header.name !== DESTINATION_ENDPOINT) setHeaders.push(header);
  return {
    setHeaders,
    removeHeaders,
    clearRouteCache: true,
    dynamicMetadata: { [LB_NAMESPACE]: lbMetadata(destination, routed) },
  };
}

/** The picked endpoint and those to fall back to, unless a profile handler names another way to them. */
function destinationOf({ pick, headers }: Routed): string {
  for (const { name, value } of headers) if (name === DESTINATION_ENDPOINT) return value;
  return pick.targets.join(",");
}

function lbMetadata(destination: string, { candidates }: Routed): StructObject {
  if (candidates === undefined) return { [DESTINATION_ENDPOINT]: destination };
  const scores = Object.fromEntries(candidates.map(({ hostPort, total }) => [hostPort, total]));
  return { [DESTINATION_ENDPOINT]: destination, [DESTINATION_ENDPOINT_SCORES]: scores };
}

/** Lets the request's headers wait for its body. */
export const CONTINUE_REQUEST_HEADERS: Buffer = encodeHeadersResponse("request", {});

const PASSED = [{ name: WENT_INTO_RESPONSE_HEADERS, value: "true" }];

/** Of a body whose size may change on its way. */
const WITHOUT_LENGTH = [CONTENT_LENGTH];

const RESPONSE_HEADERS_ANSWER: Buffer = encodeHeadersResponse("response", { setHeaders: PASSED });

const RESPONSE_HEADERS_ANSWER_WITHOUT_LENGTH: Buffer = encodeHeadersResponse("response", {
  setHeaders: PASSED,
  removeHeaders: WITHOUT_LENGTH,
});

/** Answers the response's headers. `changes`: headers that plugins set. */
export function encodeResponseHeaders(mayChangeSize: boolean, changes: readonly HeaderChange[]): Buffer {
  if (changes.length === 0) return mayChangeSize ? RESPONSE_HEADERS_ANSWER_WITHOUT_LENGTH : RESPONSE_HEADERS_ANSWER;
  const setHeaders = [...PASSED, ...changes];
  return encodeHeadersResponse(
    "response",
    mayChangeSize ? { setHeaders, removeHeaders: WITHOUT_LENGTH } : { setHeaders },
  );
}

/** The same for a body that is not to be shown. */
export function encodeUnseenResponseHeaders(changes: readonly HeaderChange[], modeOverride: ProcessingMode): Buffer {
  return encodeHeadersResponse("response", { setHeaders: [...PASSED, ...changes], modeOverride });
}

/** Ends the exchange with the error's status; the body's form is the Go picker's. */
export function encodeRefusal(error: EppError): Buffer {
  return encodeImmediateResponse({
    status: error.httpStatus,
    body: `inference error: ${error.code} - ${error.message}`,
    ...(error.droppedReason !== undefined && {
      setHeaders: [{ name: DROPPED_REASON, value: error.droppedReason }],
    }),
  });
}
