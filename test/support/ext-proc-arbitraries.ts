/**
 * Random ext_proc messages for property tests: what our encoders take, and the same message as the plain object that
 * protobufjs takes (`…Shape`). Sizes are small, every optional part is sometimes absent.
 */
import fc from "fast-check";
import type { HeaderPair } from "../../src/wire/ext-proc/header-map.ts";
import type { ProcessingRequestInput, RequestExtras } from "../../src/wire/ext-proc/request-encoder.ts";
import {
  type BodyMutation,
  type CommonAnswer,
  encodeBodyResponse,
  encodeHeadersResponse,
  encodeImmediateResponse,
  encodeTrailersResponse,
  type HeaderMutation,
  type ImmediateAnswer,
  type Phase,
  type ResponseExtras,
} from "../../src/wire/ext-proc/response-encoder.ts";
import type { StructObject, StructValue } from "../../src/wire/ext-proc/struct.ts";
import { structShape } from "./ext-proc-oracle.ts";

type Shape = Record<string, unknown>;

const text = fc.string({ unit: "binary", maxLength: 12 });
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const flag = fc.boolean();
const mode = fc.integer({ min: 0, max: 5 });
/** protobufjs drops the key `__proto__`; the unit test of structs has it. */
const key = text.filter((name) => name !== "__proto__");

export const structArbitrary: fc.Arbitrary<StructObject> = fc.letrec<{ value: StructValue; object: StructObject }>(
  (tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.constant(null),
      fc.double(),
      text,
      flag,
      fc.array(tie("value"), { maxLength: 4 }),
      tie("object"),
    ),
    object: fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  }),
).object;

const headerName = fc.oneof(
  fc.constantFrom(":path", ":status", "x-request-id", "content-type", "X-Request-ID"),
  fc.stringMatching(/^[a-z][a-z0-9-]{0,80}$/),
  text,
);
const header: fc.Arbitrary<HeaderPair> = fc.oneof(
  fc.record({ name: headerName, value: fc.oneof(text, bytes) }),
  fc.record({ name: headerName, value: text, isInValue: fc.constant(true) }),
);
const headers = fc.array(header, { maxLength: 12 });
const structs = fc.dictionary(key, structArbitrary, { maxKeys: 3, noNullPrototype: true });

const requestExtras: fc.Arbitrary<RequestExtras> = fc.record(
  {
    metadataContext: structs,
    attributes: structs,
    observabilityMode: flag,
    protocolConfig: fc.record(
      { requestBodyMode: mode, responseBodyMode: mode, sendBodyWithoutWaitingForHeaderResponse: flag },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);

export const requestArbitrary: fc.Arbitrary<ProcessingRequestInput> = fc
  .tuple(
    fc.oneof(
      fc.record({
        kind: fc.constantFrom("requestHeaders" as const, "responseHeaders" as const),
        headers,
        endOfStream: flag,
      }),
      fc.record({
        kind: fc.constantFrom("requestBody" as const, "responseBody" as const),
        body: bytes,
        endOfStream: flag,
      }),
      fc.record({ kind: fc.constantFrom("requestTrailers" as const, "responseTrailers" as const), headers }),
    ),
    requestExtras,
  )
  .map(([member, extras]) => ({ ...member, ...extras }));

export function requestShape(input: ProcessingRequestInput): Shape {
  const { metadataContext, attributes, observabilityMode, protocolConfig } = input;
  return compact({
    [input.kind]: requestMemberShape(input),
    metadataContext: metadataContext && { filterMetadata: mapShape(metadataContext) },
    attributes: attributes && mapShape(attributes),
    observabilityMode: observabilityMode || undefined,
    protocolConfig: protocolConfig && withoutDefaults({ ...protocolConfig }),
  });
}

function requestMemberShape(input: ProcessingRequestInput): Shape {
  switch (input.kind) {
    case "requestHeaders":
    case "responseHeaders":
      return compact({ headers: headerMapShape(input.headers), endOfStream: input.endOfStream || undefined });
    case "requestBody":
    case "responseBody":
      return withoutDefaults({ body: input.body, endOfStream: input.endOfStream });
    default:
      return { trailers: headerMapShape(input.headers) };
  }
}

/** One call of an encoder for answers. */
export type AnswerCall =
  | { readonly call: "headers" | "body"; readonly phase: Phase; readonly answer: CommonAnswer }
  | { readonly call: "trailers"; readonly phase: Phase; readonly answer: HeaderMutation & ResponseExtras }
  | { readonly call: "immediate"; readonly answer: ImmediateAnswer };

const phase = fc.constantFrom<Phase>("request", "response");
const headerMutation = {
  setHeaders: fc.array(
    fc
      .tuple(
        header,
        fc.record(
          { append: flag, appendAction: fc.integer({ min: 0, max: 3 }), keepEmptyValue: flag },
          { requiredKeys: [] },
        ),
      )
      .map(([pair, options]) => ({ ...pair, ...options })),
    { maxLength: 6 },
  ),
  removeHeaders: fc.array(headerName, { maxLength: 6 }),
};
const responseExtras = {
  dynamicMetadata: structArbitrary,
  modeOverride: fc.record(
    {
      requestHeaderMode: mode,
      responseHeaderMode: mode,
      requestBodyMode: mode,
      responseBodyMode: mode,
      requestTrailerMode: mode,
      responseTrailerMode: mode,
    },
    { requiredKeys: [] },
  ),
};
const bodyMutation: fc.Arbitrary<BodyMutation> = fc.oneof(
  fc.record({ kind: fc.constant("replace" as const), body: bytes }),
  fc.record({ kind: fc.constant("clear" as const), clear: flag }),
  fc.record({
    kind: fc.constant("streamed" as const),
    body: fc.oneof(bytes, fc.array(bytes, { maxLength: 4 })),
    endOfStream: flag,
  }),
);

export const answerArbitrary: fc.Arbitrary<AnswerCall> = fc.oneof(
  fc.record({
    call: fc.constantFrom("headers" as const, "body" as const),
    phase,
    answer: fc.record(
      {
        ...headerMutation,
        ...responseExtras,
        status: fc.integer({ min: 0, max: 1 }),
        bodyMutation,
        trailers: headers,
        clearRouteCache: flag,
      },
      { requiredKeys: [] },
    ),
  }),
  fc.record({
    call: fc.constant("trailers" as const),
    phase,
    answer: fc.record({ ...headerMutation, ...responseExtras }, { requiredKeys: [] }),
  }),
  fc.record({
    call: fc.constant("immediate" as const),
    answer: fc.record(
      {
        ...headerMutation,
        ...responseExtras,
        status: fc.integer({ min: 0, max: 599 }),
        body: fc.oneof(text, bytes),
        grpcStatus: fc.nat(),
        details: text,
      },
      { requiredKeys: ["status"] },
    ),
  }),
);

export function encodeAnswer(input: AnswerCall): Buffer {
  switch (input.call) {
    case "headers":
      return encodeHeadersResponse(input.phase, input.answer);
    case "body":
      return encodeBodyResponse(input.phase, input.answer);
    case "trailers":
      return encodeTrailersResponse(input.phase, input.answer);
    default:
      return encodeImmediateResponse(input.answer);
  }
}

export function answerShape(input: AnswerCall): Shape {
  const { dynamicMetadata, modeOverride } = input.answer;
  return compact({
    ...answerMemberShape(input),
    dynamicMetadata: dynamicMetadata && structShape(dynamicMetadata as StructObject),
    modeOverride: modeOverride && withoutDefaults({ ...modeOverride }),
  });
}

function answerMemberShape(input: AnswerCall): Shape {
  switch (input.call) {
    case "headers":
      return { [`${input.phase}Headers`]: { response: commonShape(input.answer) } };
    case "body":
      return { [`${input.phase}Body`]: { response: commonShape(input.answer) } };
    case "trailers":
      return { [`${input.phase}Trailers`]: compact({ headerMutation: headerMutationShape(input.answer) }) };
    default:
      return { immediateResponse: immediateShape(input.answer) };
  }
}

function commonShape(answer: CommonAnswer): Shape {
  return compact({
    status: answer.status || undefined,
    headerMutation: headerMutationShape(answer),
    bodyMutation: answer.bodyMutation && bodyMutationShape(answer.bodyMutation),
    trailers: answer.trailers && headerMapShape(answer.trailers),
    clearRouteCache: answer.clearRouteCache || undefined,
  });
}

function immediateShape(answer: ImmediateAnswer): Shape {
  return compact({
    status: withoutDefaults({ code: answer.status }),
    headers: headerMutationShape(answer),
    ...withoutDefaults({ body: Buffer.from(answer.body ?? ""), details: answer.details }),
    grpcStatus: answer.grpcStatus === undefined ? undefined : withoutDefaults({ status: answer.grpcStatus }),
  });
}

function bodyMutationShape(mutation: BodyMutation): Shape {
  if (mutation.kind === "replace") return { body: mutation.body };
  if (mutation.kind === "clear") return { clearBody: mutation.clear };
  const body = mutation.body instanceof Uint8Array ? mutation.body : Buffer.concat(mutation.body);
  return { streamedResponse: withoutDefaults({ body, endOfStream: mutation.endOfStream }) };
}

function headerMutationShape({ setHeaders = [], removeHeaders = [] }: HeaderMutation): Shape | undefined {
  if (setHeaders.length === 0 && removeHeaders.length === 0) return undefined;
  return {
    setHeaders: setHeaders.map((setting) =>
      compact({
        header: headerShape(setting),
        append: setting.append === undefined ? undefined : withoutDefaults({ value: setting.append }),
        appendAction: setting.appendAction || undefined,
        keepEmptyValue: setting.keepEmptyValue || undefined,
      }),
    ),
    removeHeaders,
  };
}

function headerMapShape(pairs: readonly HeaderPair[]): Shape {
  return { headers: pairs.map(headerShape) };
}

function headerShape({ name, value, isInValue }: HeaderPair): Shape {
  return withoutDefaults({ key: name, [isInValue ? "value" : "rawValue"]: isInValue ? value : Buffer.from(value) });
}

function mapShape(map: Readonly<Record<string, StructObject>>): Shape {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, structShape(value)]));
}

/** Without the fields that are undefined. */
function compact(shape: Shape): Shape {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined));
}

/** Without the fields that hold a proto3 default, which are not on the wire. */
function withoutDefaults(shape: Shape): Shape {
  const isDefault = (value: unknown): boolean =>
    value === undefined || value === 0 || value === false || (value as { length?: number }).length === 0;
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => !isDefault(value)));
}
