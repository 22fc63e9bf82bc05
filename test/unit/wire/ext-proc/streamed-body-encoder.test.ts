import { describe, expect, it } from "vitest";
import { encodeStreamedBodyResponse } from "../../../../src/wire/ext-proc/response-encoder.ts";
import { encodeStreamedBody } from "../../../../src/wire/ext-proc/streamed-body-encoder.ts";

const PHASES = ["request", "response"] as const;
/** Around each size at which a number in the head gets a byte more, and at which heads are no longer kept. */
const SIZES = [0, 1, 110, 118, 119, 120, 121, 122, 127, 128, 1_023, 1_024, 16_370, 16_384, 62_000, 2_097_150];

describe("encodeStreamedBody", () => {
  it("gives the bytes of the message that has its body inside", () => {
    let messages = 0;
    for (const size of [...SIZES, ...SIZES]) {
      const body = Buffer.alloc(size, size & 255);
      for (const phase of PHASES) {
        for (const endOfStream of [false, true]) {
          const expected = encodeStreamedBodyResponse(phase, body, endOfStream);
          const context = `${phase}, ${size} bytes, ${endOfStream}`;
          expect(Buffer.concat(encodeStreamedBody(phase, body, endOfStream)).equals(expected), context).toBe(true);
          const halves = [body.subarray(0, size / 2), body.subarray(size / 2)];
          expect(Buffer.concat(encodeStreamedBody(phase, halves, endOfStream)).equals(expected), context).toBe(true);
          messages++;
        }
      }
    }
    expect(messages).toBe(SIZES.length * 8);
  });

  it("copies no byte of the body", () => {
    const body = Buffer.alloc(2_000);
    expect(encodeStreamedBody("request", body, false)[1]).toBe(body);
    expect(encodeStreamedBody("request", [body, body], true).slice(1, 3)).toEqual([body, body]);
  });
});
