import { afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { HEADERS_MAX } from "../../src/wire/ext-proc/header-map.ts";
import { encodeProcessingRequest } from "../../src/wire/ext-proc/request-encoder.ts";
import { ProtobufWriter } from "../../src/wire/protobuf/writer.ts";
import type { Conversing, ExtProcClient } from "../support/ext-proc-client.ts";
import {
  bodyMessages,
  CHAT_PATH,
  chatBody,
  readRequestAnswer,
  requestHeaders,
  streamedPiece,
} from "../support/ext-proc-messages.ts";
import {
  closeHostileBeds,
  connectHostile,
  connectPolite,
  expectUnharmed,
  startHostileBed,
} from "../support/hostile-bed.ts";
import { readMetric } from "../support/metrics.ts";
import { frames } from "../support/raw-ext-proc.ts";

afterEach(closeHostileBeds);

const UNKNOWN = 2;

/** A request in progress, half its body sent, that is to end well whatever happens beside it. */
class Bystander {
  readonly #body = chatBody("y".repeat(2_000));
  readonly #stream: Conversing;

  constructor(client: ExtProcClient) {
    this.#stream = client.open();
    this.#stream.send(requestHeaders(), ...this.#pieces().slice(0, 1));
  }

  async finish(): Promise<void> {
    this.#stream.send(...this.#pieces().slice(1));
    const answers = await this.#stream.answered((all) => streamedPiece(all.at(-1))?.endOfStream === true);
    const answer = readRequestAnswer(answers);
    expect(answer.kind === "routed" && answer.body.equals(this.#body)).toBe(true);
    this.#stream.halfClose();
    expect((await this.#stream.ended).code).toBe(0);
  }

  #pieces() {
    return bodyMessages("requestBody", this.#body, { pieceSize: 1_000 });
  }
}

/** One message with this field, whatever it holds. */
function field(number: number, wireType: number, content: readonly number[]): Buffer {
  return Buffer.from([(number << 3) | wireType, ...content]);
}

function message(number: number, content: Buffer): Buffer {
  const writer = new ProtobufWriter(64);
  writer.bytes(number, content);
  return writer.finish();
}

const HEADERS_MESSAGE = encodeProcessingRequest(requestHeaders());

/** Metadata whose lists are as deep as that, which no decoder may follow to its end. */
function nestedMetadata(depth: number): Buffer {
  const writer = new ProtobufWriter(64);
  const ends = Array.from({ length: depth }, () => writer.size);
  for (const end of ends) {
    writer.message(1, end);
    writer.message(6, end);
  }
  writer.message(2, 0);
  writer.string(1, "x-gateway-destination-endpoint-subset");
  writer.message(1, 0);
  writer.message(2, 0);
  writer.string(1, "envoy.lb.subset_hint");
  writer.message(1, 0);
  writer.message(8, 0);
  return Buffer.concat([HEADERS_MESSAGE, writer.finish()]);
}

describe("a malformed message ends its own stream alone", () => {
  const CASES: readonly { name: string; bytes: Buffer; says?: string }[] = [
    { name: "headers as a number", bytes: field(2, 0, [1]) },
    { name: "headers as eight bytes", bytes: field(2, 1, [1, 2, 3, 4, 5, 6, 7, 8]) },
    { name: "headers as four bytes", bytes: field(2, 5, [1, 2, 3, 4]) },
    { name: "headers as a group", bytes: field(2, 3, [field(2, 4, [])[0] as number]) },
    { name: "an encoding that there is not", bytes: field(2, 7, [0]) },
    { name: "field number 0", bytes: field(0, 2, [0]) },
    { name: "a header map as a number", bytes: message(2, field(1, 0, [1])) },
    { name: "a header as a number", bytes: message(2, message(1, field(1, 0, [1]))) },
    { name: "a header's value as a number", bytes: message(2, message(1, message(1, field(3, 0, [1])))) },
    { name: "a body as a number", bytes: message(4, field(1, 0, [1])) },
    { name: "an end of stream as text", bytes: message(4, field(2, 2, [1, 1])) },
    {
      name: "a number without an end",
      bytes: field(
        2,
        0,
        Array.from({ length: 11 }, () => 0xff),
      ),
    },
    { name: "a size beyond the message", bytes: field(2, 2, [0x7f, 1]) },
    { name: "a size of 2^63", bytes: field(2, 2, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]) },
    { name: "metadata as a number", bytes: Buffer.concat([HEADERS_MESSAGE, field(8, 0, [1])]) },
    { name: "metadata of 100,000 lists in each other", bytes: nestedMetadata(100_000), says: "levels" },
  ];

  it(`(${CASES.length} of them): ${CASES.map(({ name }) => name).join(", ")}`, async () => {
    const epp = await startHostileBed();
    const client = connectPolite(epp);
    for (const { name, bytes, says = "malformed message" } of CASES) {
      const bystander = new Bystander(client);
      const stream = client.open();
      stream.sendBytes(bytes);
      expect(await stream.ended, name).toMatchObject({ code: UNKNOWN, details: expect.stringContaining(says) });
      await bystander.finish();
    }
    expect(await readMetric(epp.metricsPort, "endpoint_picker_protocol_errors_total")).toBe(CASES.length);
    await expectUnharmed(epp);
  });

  it(`as does a message that is cut (${HEADERS_MESSAGE.length - 1} places)`, async () => {
    const epp = await startHostileBed();
    const client = connectPolite(epp);
    const bystander = new Bystander(client);
    const codes = await Promise.all(
      Array.from({ length: HEADERS_MESSAGE.length - 1 }, async (_, index) => {
        const stream = client.open();
        stream.sendBytes(HEADERS_MESSAGE.subarray(0, index + 1));
        return (await stream.ended).code;
      }),
    );
    expect(codes).toEqual(codes.map(() => UNKNOWN));
    await bystander.finish();
    await expectUnharmed(epp);
  });

  const GARBAGE_COUNT = 500;
  const SEED = 41;

  // Strategy: random bytes, and real messages with up to four random bytes replaced, one per stream, over one
  // connection; a stream that takes them is half-closed. Invariant: every stream ends, the one beside them well.
  it(`as does garbage (${GARBAGE_COUNT} messages, seed ${SEED})`, async () => {
    const epp = await startHostileBed();
    const client = connectPolite(epp);
    const prng = new Prng(SEED);
    const bystander = new Bystander(client);
    const codes = new Map<number, number>();
    const garbage = Array.from({ length: GARBAGE_COUNT }, () => drawGarbage(prng));
    for (let start = 0; start < garbage.length; start += 50) {
      const ended = garbage.slice(start, start + 50).map(async (bytes) => {
        const stream = client.open();
        stream.sendBytes(bytes);
        stream.halfClose();
        const { code } = await stream.ended;
        codes.set(code, (codes.get(code) ?? 0) + 1);
      });
      await Promise.all(ended);
    }
    await bystander.finish();
    expect([...codes.keys()].filter((code) => code !== 0)).toEqual([UNKNOWN]);
    expect(await readMetric(epp.metricsPort, "endpoint_picker_protocol_errors_total")).toBe(codes.get(UNKNOWN));
    await expectUnharmed(epp);
  });
});

function drawGarbage(prng: Prng): Buffer {
  if (prng.nextBelow(2) === 0)
    return Buffer.from(Array.from({ length: 1 + prng.nextBelow(300) }, () => prng.nextBelow(256)));
  const bytes = Buffer.from(HEADERS_MESSAGE);
  for (let count = 1 + prng.nextBelow(4); count > 0; count--) bytes[prng.nextBelow(bytes.length)] = prng.nextBelow(256);
  return bytes;
}

describe("a frame that gRPC does not allow ends its own stream alone", () => {
  const headersFrame = frames(requestHeaders());
  const CASES: readonly { name: string; bytes: Buffer; status: number | undefined }[] = [
    { name: "a size of 4 GiB", bytes: Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]), status: 8 },
    { name: "compressed, by nothing", bytes: Buffer.concat([Buffer.from([1]), headersFrame.subarray(1)]), status: 12 },
    { name: "half a frame", bytes: headersFrame.subarray(0, 20), status: 2 },
    { name: "half a frame's head", bytes: headersFrame.subarray(0, 3), status: 2 },
  ];

  it(`(${CASES.length} of them): ${CASES.map(({ name }) => name).join(", ")}`, async () => {
    const epp = await startHostileBed();
    const connection = await connectHostile(epp);
    const body = chatBody("hello");
    for (const { name, bytes, status } of CASES) {
      const bystander = connection.open();
      await bystander.write(frames(requestHeaders()));
      const stream = connection.open();
      await stream.write(bytes);
      stream.halfClose();
      expect(await stream.ended, name).toBe(status);
      await bystander.write(frames(...bodyMessages("requestBody", body)));
      expect(readRequestAnswer(await bystander.answered(2))).toMatchObject({ kind: "routed" });
      bystander.halfClose();
      expect(await bystander.ended).toBe(0);
    }
    await expectUnharmed(epp);
  });

  it("as does a wrong path, and another kind of content", async () => {
    const epp = await startHostileBed();
    const connection = await connectHostile(epp);
    const wrongPath = connection.open({ headers: { ":path": "/envoy.service.ext_proc.v3.ExternalProcessor/Other" } });
    expect(await wrongPath.ended).toBe(12);
    const wrongContent = connection.open({ headers: { "content-type": "text/plain" } });
    expect(await wrongContent.ended).toBeUndefined();
    await expectUnharmed(epp);
  });
});

describe("headers", () => {
  const bare = requestHeaders();
  const spare = HEADERS_MAX - ("headers" in bare ? bare.headers.length : 0);
  const more = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `x-${index}`, value: "v" }));

  it(`are taken up to ${HEADERS_MAX}; one more is a protocol error`, async () => {
    const epp = await startHostileBed();
    const client = connectPolite(epp);
    const answer = await client.ask(chatBody("hello"), { more: more(spare) });
    expect(answer).toMatchObject({ kind: "routed" });
    const stream = client.open();
    stream.send(requestHeaders({ more: more(spare + 1) }));
    expect(await stream.ended).toMatchObject({ code: UNKNOWN, details: expect.stringContaining(String(HEADERS_MAX)) });
    await expectUnharmed(epp);
  });

  it("that are not UTF-8 are taken", async () => {
    const epp = await startHostileBed();
    const value = Buffer.from([0x61, 0xff, 0xfe, 0x80]);
    const names = ["x-request-id", "x-llm-d-inference-objective", "x-other"];
    const answer = await connectPolite(epp).ask(chatBody("hello"), { more: names.map((name) => ({ name, value })) });
    expect(answer).toMatchObject({ kind: "routed" });
    expect(epp.decisionLines).toHaveLength(1);
    await expectUnharmed(epp);
  });
});

describe("bodies", () => {
  const DEPTH = 100_000;

  it.each([
    { name: "in a message's content", body: `{"model":"m","messages":[{"role":"user","content":${"[".repeat(DEPTH)}` },
    { name: "in a field that nobody reads", body: `{"model":"m","other":${"[".repeat(DEPTH)}` },
    { name: "of objects", body: '{"a":'.repeat(DEPTH) },
  ])(`${DEPTH} deep are refused with 400: $name`, async ({ body }) => {
    const epp = await startHostileBed();
    const answer = await connectPolite(epp).ask(Buffer.from(body));
    expect(answer).toMatchObject({ kind: "refused", status: 400, text: expect.stringContaining("nests more than") });
    await expectUnharmed(epp);
  });

  const BAD = [0x61, 0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80, 0xf8, 0x62];
  const withBad = (text: string): Buffer => {
    const [head = "", tail = ""] = text.split("#");
    return Buffer.concat([Buffer.from(head), Buffer.from(BAD), Buffer.from(tail)]);
  };

  it.each([
    { name: "prompt", body: withBad('{"model":"m","messages":[{"role":"user","content":"#"}]}') },
    { name: "model", body: withBad('{"model":"#","messages":[{"role":"user","content":"hello"}]}') },
    { name: "field name", body: withBad('{"#":1,"model":"m","messages":[{"role":"user","content":"hello"}]}') },
  ])("that are not UTF-8 in the $name are sent on byte for byte, and harm no page", async ({ body }) => {
    const epp = await startHostileBed();
    const answer = await connectPolite(epp).ask(body);
    expect(answer.kind === "routed" && answer.body.equals(body), JSON.stringify(answer)).toBe(true);
    const metrics = await fetch(`http://127.0.0.1:${epp.metricsPort}/metrics`);
    const page = Buffer.from(await metrics.arrayBuffer());
    expect(Buffer.from(page.toString()).equals(page)).toBe(true);
    await expectUnharmed(epp);
  });

  it(`whose model has ${CHAT_PATH.length * 1_000} bytes are refused with 400`, async () => {
    const epp = await startHostileBed();
    const answer = await connectPolite(epp).ask(chatBody("hello", "m".repeat(CHAT_PATH.length * 1_000)));
    expect(answer).toMatchObject({ kind: "refused", status: 400 });
    await expectUnharmed(epp);
  });
});
