/** The proxy under large bodies, many requests and slow peers. */
import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { encodeStreamedBodyResponse } from "../../../src/wire/ext-proc/response-encoder.ts";
import { ask, beginAsk, closeBeds, readAll, settled, startBed } from "../../support/devproxy-bed.ts";
import { pickEndpoint, pickOf } from "../../support/scripted-ext-proc.ts";

afterEach(closeBeds);

const POST = { method: "POST", path: "/v1/completions" };

function sha(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes that repeat nowhere within their size. */
function patterned(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let index = 0; index + 4 <= size; index += 4) bytes.writeUInt32LE(index, index);
  return bytes;
}

describe("large and many", () => {
  const large = patterned(5_000_000);

  it("5 MB go both ways unchanged", async () => {
    let received = "";
    const bed = await startBed({
      upstream: async (incoming, response) => {
        received = sha(await readAll(incoming));
        response.writeHead(200, { "content-length": String(large.length) });
        response.end(large);
      },
    });
    const answer = await ask(bed.proxy.port, POST, [large]);
    expect([received, sha(answer.body)]).toEqual([sha(large), sha(large)]);
  });

  it("5 MB come back from a model server that answers while it reads", async () => {
    const bed = await startBed({ upstream: (incoming, response) => incoming.pipe(response) });
    const answer = await ask(bed.proxy.port, POST, [large]);
    expect(sha(answer.body)).toBe(sha(large));
  });

  it("50 requests at once get each their own answer", async () => {
    const bed = await startBed({
      upstream: async (incoming, response) => response.end(`answer to ${await readAll(incoming)}`),
    });
    const numbers = Array.from({ length: 50 }, (_, index) => index);
    const answers = await Promise.all(numbers.map((index) => ask(bed.proxy.port, POST, [`question ${index}`])));
    expect(answers.map(({ body }) => String(body))).toEqual(numbers.map((index) => `answer to question ${index}`));
    expect(bed.picker.streams.length).toBe(50);
  });
});

describe("back-pressure", () => {
  const size = 64_000_000;

  it("stops a model server whose client does not read", async () => {
    let written = 0;
    const bed = await startBed({
      upstream: (_, response) => {
        const chunk = Buffer.alloc(64_000);
        const write = (): void => {
          while (written < size) {
            written += chunk.length;
            if (!response.write(chunk)) return;
          }
          response.end();
        };
        response.on("drain", write);
        write();
      },
    });
    const response = await beginAsk(bed.proxy.port);
    expect(await settled(() => written)).toBeLessThan(size / 2);
    expect((await readAll(response)).length).toBe(size);
  });

  it("stops a picker whose model server does not read", async () => {
    let read = (): void => {};
    const bed = await startBed({
      upstream: (incoming, response) => {
        incoming.pause();
        read = () => incoming.resume();
        incoming.on("end", () => response.end("ok"));
      },
      script: (endpoint) => (stream, message) => {
        if (message.kind.startsWith("response")) pickEndpoint(endpoint)(stream, message);
        if (message.kind !== "requestHeaders") return;
        stream.send(pickOf(endpoint));
        for (let sent = 0; sent < size; sent += 64_000) {
          stream.send(encodeStreamedBodyResponse("request", Buffer.alloc(64_000), sent + 64_000 >= size));
        }
      },
    });
    const asked = ask(bed.proxy.port, { ...POST, headers: { "transfer-encoding": "chunked" } });
    const stream = await bed.picker.stream(0);
    expect(await settled(() => stream.unsentCount())).toBeGreaterThan(500);
    read();
    expect((await asked).status).toBe(200);
  });
});
