/** Clients that others wrote, over the direct transport: grpc-js, and Node's own HTTP/2. */
import { connect } from "node:http2";
import { Client, credentials, Metadata, type StatusObject } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../../../src/base/clock.ts";
import { Prng } from "../../../../../src/base/prng.ts";
import { grpcFrame } from "../../../../support/grpc-messages.ts";
import { closeTransports, ECHO_PATH, startTransport } from "../../../../support/transport-bed.ts";
import { until } from "../../../../support/until.ts";

const clients: Client[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeTransports();
});

function newClient(port: number, isSecure = false): Client {
  const security = isSecure
    ? credentials.createSsl(null, null, null, { rejectUnauthorized: false })
    : credentials.createInsecure();
  const client = new Client(`localhost:${port}`, security, {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": -1,
  });
  clients.push(client);
  return client;
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

/** Sends the messages one behind the other, and resolves with the answers and the status. */
async function converse(client: Client, messages: readonly Buffer[], metadata = new Metadata(), deadlineMs = 20_000) {
  const call = client.makeBidiStreamRequest(ECHO_PATH, asIs, asIs, metadata, { deadline: deadlineAt(deadlineMs) });
  const answers: Buffer[] = [];
  call.on("data", (bytes: Buffer) => answers.push(bytes));
  call.on("error", () => undefined);
  const ended = new Promise<StatusObject>((resolve) => call.on("status", resolve));
  for (const message of messages) call.write(message);
  call.end();
  return { status: await ended, answers };
}

function deadlineAt(ms: number): Date {
  return new Date(systemClock.wallMs() + ms);
}

describe.each([
  ["plaintext", false],
  ["TLS", true],
])("a grpc-js client, %s,", (_how, isSecure) => {
  it("has messages of up to 4 MB echoed, whatever metadata it sends", async () => {
    const bed = await startTransport({ isSecure });
    const metadata = new Metadata();
    for (let index = 0; index < 40; index++) metadata.set(`x-header-${index}`, "value ".repeat(index * 10));
    metadata.set("x-bytes-bin", Buffer.from([0, 1, 2, 255]));
    const prng = new Prng(7);
    const messages = [0, 1, 4_096, 16_384, 70_000, 4_194_304].map((size) => Buffer.alloc(size, prng.nextBelow(256)));
    const { status, answers } = await converse(newClient(bed.port, isSecure), messages, metadata);
    expect(status).toMatchObject({ code: 0 });
    expect(answers.map((answer, index) => answer.equals(messages[index] as Buffer))).toEqual(messages.map(() => true));
  });

  it("has 300 calls at once on a connection", async () => {
    const bed = await startTransport({ isSecure });
    const client = newClient(bed.port, isSecure);
    const calls = Array.from({ length: 300 }, (_, index) => converse(client, [Buffer.alloc(index * 50, index)]));
    const outcomes = await Promise.all(calls);
    expect(new Set(outcomes.map(({ status }) => status.code))).toEqual(new Set([0]));
    expect(outcomes.every(({ answers }, index) => answers[0]?.equals(Buffer.alloc(index * 50, index)))).toBe(true);
    expect(bed.transport.load().connections).toBe(1);
    await until("all are over", () => bed.openCount() === 0);
  });
});

describe("a grpc-js client", () => {
  it("reads the status and its message", async () => {
    const bed = await startTransport({ onMessage: ({ call }) => call.fail("über 100 % of it", 9) });
    const { status } = await converse(newClient(bed.port), [Buffer.from("a")]);
    expect(status).toMatchObject({ code: 9, details: "über 100 % of it" });
  });

  it("goes over to another connection when its own is given up, without a call that fails", async () => {
    const bed = await startTransport();
    const [client, other] = [newClient(bed.port), newClient(bed.port)];
    const lasting = [client, other].map((one) => one.makeBidiStreamRequest(ECHO_PATH, asIs, asIs));
    const answers = [0, 0];
    for (const [index, call] of lasting.entries()) {
      call.on("error", () => undefined);
      call.on("data", () => (answers[index] = (answers[index] as number) + 1));
      call.write(Buffer.from("a"));
    }
    await until("both are answered", () => answers.every((count) => count === 1));
    expect(bed.transport.shedConnection(0.5)).toBe(true);
    for (let count = 0; count < 20; count++) {
      const outcomes = await Promise.all([client, other].map((one) => converse(one, [Buffer.from("b")])));
      expect(outcomes.map(({ status }) => status.code)).toEqual([0, 0]);
    }
    for (const call of lasting) call.end(Buffer.from("c"));
    await until("those that were open have ended", () => bed.openCount() === 0);
    expect(answers).toEqual([2, 2]);
    expect(new Set(bed.calls.flatMap(({ closes }) => closes))).toEqual(new Set(["ended"]));
  });
});

describe("a client by Node's HTTP/2", () => {
  it("with windows of its own, of 1 byte up to megabytes, has all that it sends echoed", async () => {
    const bed = await startTransport();
    for (const initialWindowSize of [1, 1_000, 16_384, 4_000_000]) {
      const session = connect(`http://127.0.0.1:${bed.port}`, { settings: { initialWindowSize } });
      const stream = session.request({ ":method": "POST", ":path": ECHO_PATH, "content-type": "application/grpc" });
      const message = grpcFrame(Buffer.alloc(initialWindowSize === 1 ? 300 : 1_000_000, "m"));
      const pieces: Buffer[] = [];
      stream.on("data", (bytes: Buffer) => pieces.push(bytes));
      const trailers = new Promise<unknown>((resolve) => stream.once("trailers", resolve));
      stream.end(message);
      expect(await trailers).toMatchObject({ "grpc-status": "0" });
      expect(Buffer.concat(pieces).equals(message)).toBe(true);
      session.close();
    }
  });
});
