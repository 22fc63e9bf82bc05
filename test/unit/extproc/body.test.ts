import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { BODY_ANSWER_SIZE_MAX, cutBody, OutgoingBody } from "../../../src/extproc/body.ts";
import { joined, type Message } from "../../../src/platform/grpc-call.ts";
import { responseOracle } from "../../support/ext-proc-oracle.ts";

const CASES_COUNT = 2_000;

describe("cutBody", () => {
  it("keeps below Envoy's frame of 64 KiB as the Go picker does", () => {
    expect(BODY_ANSWER_SIZE_MAX).toBe(62_000);
  });

  it.each([
    { pieces: [], groups: [[]] },
    { pieces: [""], groups: [[]] },
    { pieces: ["abc"], groups: [["abc"]] },
    { pieces: ["abcd"], groups: [["abcd"]] },
    { pieces: ["abcdefghi"], groups: [["abcd"], ["efgh"], ["i"]] },
    {
      pieces: ["ab", "", "cdef", "g"],
      groups: [
        ["ab", "cd"],
        ["ef", "g"],
      ],
    },
    { pieces: ["abc", "d", "efgh"], groups: [["abc", "d"], ["efgh"]] },
  ])("cuts $pieces into $groups at 4 bytes", ({ pieces, groups }) => {
    const cut = cutBody(
      pieces.map((piece) => Buffer.from(piece)),
      4,
    );
    expect(cut.map((group) => group.map((view) => view.toString()))).toEqual(groups);
  });

  // Strategy: random pieces, some empty, against random limits. Invariants: the bytes are the same, every group but the
  // last is exactly full, no group is empty unless the body is, and nothing is copied.
  it(`keeps every byte, fills every group but the last, and copies nothing (${CASES_COUNT} cases)`, () => {
    for (let seed = 1; seed <= CASES_COUNT; seed++) {
      const prng = new Prng(seed);
      const sizeMax = 1 + prng.nextBelow(50);
      const pieces = Array.from({ length: prng.nextBelow(12) }, () =>
        // Each in memory of its own, where a copy cannot be.
        Buffer.from(Uint8Array.from({ length: prng.nextBelow(70) }, () => prng.nextBelow(256)).buffer),
      );
      const body = Buffer.concat(pieces);
      const groups = cutBody(pieces, sizeMax);
      const sizes = groups.map((group) => group.reduce((sum, view) => sum + view.length, 0));
      const context = `seed ${seed}`;
      expect(Buffer.concat(groups.flat()).equals(body), context).toBe(true);
      expect(groups, context).toHaveLength(Math.max(1, Math.ceil(body.length / sizeMax)));
      expect(
        sizes.slice(0, -1).every((size) => size === sizeMax),
        context,
      ).toBe(true);
      const sources = new Set<ArrayBufferLike>(pieces.map((piece) => piece.buffer));
      expect(
        groups.flat().every((view) => sources.has(view.buffer)),
        context,
      ).toBe(true);
    }
  });
});

interface BodyAnswer {
  readonly requestBody: {
    readonly response: {
      readonly bodyMutation: { readonly streamedResponse: { readonly body: Buffer; readonly endOfStream?: boolean } };
    };
  };
}

describe("an outgoing body", () => {
  it("leaves in parts of half a megabyte, so that others have their turn between them", () => {
    const sent: Buffer[] = [];
    const stream = {
      send: (message: Message) => void sent.push(joined(message)),
      requestReady: () => undefined,
      end: () => undefined,
      fail: () => undefined,
    };
    const pieces = Array.from({ length: 100 }, (_, index) => Buffer.alloc(16_384, index));
    const outgoing = new OutgoingBody(stream, "request", pieces, true);
    const sizes: number[] = [];
    let isDone = false;
    while (!isDone) {
      const before = sent.length;
      isDone = outgoing.send();
      sizes.push(sent.slice(before).reduce((sum, { length }) => sum + length, 0));
    }
    expect(sizes).toHaveLength(4);
    expect(Math.max(...sizes)).toBeLessThan(512 * 1024);
    const parts = sent.map((message) => {
      const answer = responseOracle.decode(message) as unknown as BodyAnswer;
      return answer.requestBody.response.bodyMutation.streamedResponse;
    });
    expect(Buffer.concat(parts.map(({ body }) => body))).toEqual(Buffer.concat(pieces));
    expect(parts.map(({ endOfStream }) => endOfStream === true)).toEqual(parts.map((_, index) => index === 26));
  });
});
