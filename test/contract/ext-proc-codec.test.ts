/**
 * The hand-written codec against protobufjs over `proto/`: equal bytes out, equal meaning in, for generated messages.
 *
 * Strategy: fast-check draws a message (every kind, every optional part absent or present, odd names and bytes), and
 * both libraries encode it. The bytes must be the same, and what our decoders read from the other's bytes must be what
 * was drawn. fast-check prints the seed and the smallest message when a property fails.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { forEachHeader, type HeaderPair } from "../../src/wire/ext-proc/header-map.ts";
import { type ReceivedHeader, type ReceivedHeaderMutation } from "../../src/wire/ext-proc/header-mutation-decoder.ts";
import { readAttributes, readFilterMetadata, readProtocolConfig } from "../../src/wire/ext-proc/request-context.ts";
import { decodeProcessingRequest, type ProcessingRequest } from "../../src/wire/ext-proc/request-decoder.ts";
import { encodeProcessingRequest, type ProcessingRequestInput } from "../../src/wire/ext-proc/request-encoder.ts";
import {
  type CommonResponse,
  decodeProcessingResponse,
  type ProcessingResponse,
} from "../../src/wire/ext-proc/response-decoder.ts";
import type { CommonAnswer, HeaderMutation } from "../../src/wire/ext-proc/response-encoder.ts";
import { decodeStruct, encodeStruct } from "../../src/wire/ext-proc/struct.ts";
import { ProtobufReader } from "../../src/wire/protobuf/reader.ts";
import {
  type AnswerCall,
  answerArbitrary,
  answerShape,
  encodeAnswer,
  requestArbitrary,
  requestShape,
  structArbitrary,
} from "../support/ext-proc-arbitraries.ts";
import { oracleRoot, requestOracle, responseOracle, structOracle, structShape } from "../support/ext-proc-oracle.ts";

const RUNS = 2_000;

describe("ext_proc requests", () => {
  it(`encodes ${RUNS} generated messages to the bytes of protobufjs`, () => {
    const runs = check(requestArbitrary, (input) => {
      expect(hex(encodeProcessingRequest(input))).toBe(hex(requestOracle.encode(requestShape(input))));
    });
    expect(runs).toBe(RUNS);
  });

  it(`reads from the bytes of protobufjs what was written, for ${RUNS} generated messages`, () => {
    const runs = check(requestArbitrary, (input) => {
      const message = decodeProcessingRequest(requestOracle.encode(requestShape(input)));
      expect(everythingIn(message, Object.keys(input.metadataContext ?? {}))).toEqual(expectedRequest(input));
    });
    expect(runs).toBe(RUNS);
  });

  it(`reads the same with unknown fields in between, for ${RUNS} generated messages`, () => {
    const runs = check(fc.tuple(requestArbitrary, unknownFieldArbitrary, fc.nat()), ([input, unknown, place]) => {
      const message = decodeProcessingRequest(insertField(encodeProcessingRequest(input), unknown, place));
      expect(everythingIn(message, Object.keys(input.metadataContext ?? {}))).toEqual(expectedRequest(input));
    });
    expect(runs).toBe(RUNS);
  });
});

describe("ext_proc responses", () => {
  it(`encodes ${RUNS} generated messages to the bytes of protobufjs`, () => {
    const runs = check(answerArbitrary, (input) => {
      expect(hex(encodeAnswer(input))).toBe(hex(responseOracle.encode(answerShape(input))));
    });
    expect(runs).toBe(RUNS);
  });

  it(`reads from the bytes of protobufjs what was written, for ${RUNS} generated messages`, () => {
    const runs = check(answerArbitrary, (input) => {
      expect(decodeProcessingResponse(responseOracle.encode(answerShape(input)))).toEqual(expectedResponse(input));
    });
    expect(runs).toBe(RUNS);
  });

  it(`reads the same with unknown fields in between, for ${RUNS} generated messages`, () => {
    const runs = check(fc.tuple(answerArbitrary, unknownFieldArbitrary, fc.nat()), ([input, unknown, place]) => {
      expect(decodeProcessingResponse(insertField(encodeAnswer(input), unknown, place))).toEqual(
        expectedResponse(input),
      );
    });
    expect(runs).toBe(RUNS);
  });
});

describe("Struct", () => {
  it(`is the same in both libraries, for ${RUNS} generated objects`, () => {
    const runs = check(structArbitrary, (object) => {
      const bytes = encodeStruct(object);
      expect(hex(bytes)).toBe(hex(structOracle.encode(structShape(object))));
      expect(decodeStruct(bytes)).toEqual(object);
    });
    expect(runs).toBe(RUNS);
  });
});

describe("proto/", () => {
  it("names the methods that proxies and probes call", () => {
    const methods = ["envoy.service.ext_proc.v3.ExternalProcessor", "grpc.health.v1.Health"].flatMap((service) =>
      oracleRoot.lookupService(service).methodsArray.map((method) => `${service}/${method.name}`),
    );
    expect(methods).toEqual([
      "envoy.service.ext_proc.v3.ExternalProcessor/Process",
      "grpc.health.v1.Health/Check",
      "grpc.health.v1.Health/Watch",
      "grpc.health.v1.Health/List",
    ]);
  });
});

/** Runs the property and counts its executions. */
function check<T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void): number {
  let runs = 0;
  fc.assert(
    fc.property(arbitrary, (value) => {
      runs++;
      property(value);
    }),
    { numRuns: RUNS },
  );
  return runs;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

interface PlainRequest {
  readonly kind: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer | undefined;
  readonly endOfStream: boolean | undefined;
  readonly observabilityMode: boolean;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly protocolConfig: unknown;
}

/** Reads all that a message can be asked for. */
function everythingIn(message: ProcessingRequest, namespaces: readonly string[]): PlainRequest {
  const headers: [string, string][] = [];
  if ("headers" in message) forEachHeader(message.headers, (name, value) => headers.push([name, value]));
  return {
    kind: message.kind,
    headers,
    body: "body" in message ? message.body : undefined,
    endOfStream: "endOfStream" in message ? message.endOfStream : undefined,
    observabilityMode: message.observabilityMode,
    metadata: Object.fromEntries(namespaces.map((name) => [name, readFilterMetadata(message, name)])),
    attributes: readAttributes(message),
    protocolConfig: readProtocolConfig(message),
  };
}

function expectedRequest(input: ProcessingRequestInput): PlainRequest {
  return {
    kind: input.kind,
    headers: "headers" in input ? input.headers.map(({ name, value }) => [name, asText(value)]) : [],
    body: "body" in input ? Buffer.from(input.body) : undefined,
    endOfStream: "endOfStream" in input ? input.endOfStream : undefined,
    observabilityMode: input.observabilityMode ?? false,
    metadata: input.metadataContext ?? {},
    attributes: input.attributes ?? {},
    protocolConfig: input.protocolConfig && {
      requestBodyMode: 0,
      responseBodyMode: 0,
      sendBodyWithoutWaitingForHeaderResponse: false,
      ...input.protocolConfig,
    },
  };
}

function expectedResponse(input: AnswerCall): unknown {
  const { dynamicMetadata, modeOverride } = input.answer;
  return { ...expectedMember(input), dynamicMetadata, modeOverride: modeOverride && { ...NO_MODES, ...modeOverride } };
}

const NO_MODES = {
  requestHeaderMode: 0,
  responseHeaderMode: 0,
  requestBodyMode: 0,
  responseBodyMode: 0,
  requestTrailerMode: 0,
  responseTrailerMode: 0,
};

type Member = Omit<ProcessingResponse, "dynamicMetadata" | "modeOverride"> & Record<string, unknown>;

function expectedMember(input: AnswerCall): Member {
  switch (input.call) {
    case "headers":
      return { kind: `${input.phase}Headers`, common: expectedCommon(input.answer) };
    case "body":
      return { kind: `${input.phase}Body`, common: expectedCommon(input.answer) };
    case "trailers":
      return { kind: `${input.phase}Trailers`, headerMutation: expectedMutation(input.answer) };
    default:
      return {
        kind: "immediateResponse",
        immediate: {
          status: input.answer.status,
          headers: expectedMutation(input.answer),
          body: Buffer.from(input.answer.body ?? ""),
          grpcStatus: input.answer.grpcStatus,
          details: input.answer.details ?? "",
        },
      };
  }
}

function expectedCommon(answer: CommonAnswer): CommonResponse {
  const { bodyMutation } = answer;
  return {
    status: answer.status ?? 0,
    headerMutation: expectedMutation(answer),
    bodyMutation:
      bodyMutation === undefined || bodyMutation.kind === "clear"
        ? bodyMutation
        : { ...bodyMutation, body: joined(bodyMutation.body) },
    trailers: (answer.trailers ?? []).map(expectedHeader),
    clearRouteCache: answer.clearRouteCache ?? false,
  };
}

function expectedMutation({ setHeaders = [], removeHeaders = [] }: HeaderMutation): ReceivedHeaderMutation {
  return {
    setHeaders: setHeaders.map((setting) => ({
      ...expectedHeader(setting),
      append: setting.append,
      appendAction: setting.appendAction ?? 0,
      keepEmptyValue: setting.keepEmptyValue ?? false,
    })),
    removeHeaders,
  };
}

function expectedHeader({ name, value }: HeaderPair): ReceivedHeader {
  return { name, value: Buffer.from(value) };
}

function joined(body: Uint8Array | readonly Uint8Array[]): Buffer {
  return body instanceof Uint8Array ? Buffer.from(body) : Buffer.concat(body);
}

function asText(value: string | Uint8Array): string {
  return Buffer.from(value).toString();
}

/** Field 200, which no message has, in each encoding. */
const unknownFieldArbitrary: fc.Arbitrary<Buffer> = fc.oneof(
  fc.constantFrom(0, 1, 0x7f).map((value) => Buffer.from([0xc0, 0x0c, value])),
  fc.uint8Array({ minLength: 8, maxLength: 8 }).map((value) => Buffer.from([0xc1, 0x0c, ...value])),
  fc.uint8Array({ maxLength: 100 }).map((value) => Buffer.from([0xc2, 0x0c, value.length, ...value])),
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((value) => Buffer.from([0xc5, 0x0c, ...value])),
);

/** The message with a field more, at one of its field boundaries. */
function insertField(message: Buffer, field: Buffer, place: number): Buffer {
  const boundaries = [0];
  const reader = new ProtobufReader(message);
  while (reader.nextField()) {
    reader.skipField();
    boundaries.push(reader.position);
  }
  const boundary = boundaries[place % boundaries.length] as number;
  return Buffer.concat([message.subarray(0, boundary), field, message.subarray(boundary)]);
}
