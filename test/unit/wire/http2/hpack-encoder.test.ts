import { describe, expect, it } from "vitest";
import { Prng } from "../../../../src/base/prng.ts";
import { HpackDecoder } from "../../../../src/wire/http2/hpack-decoder.ts";
import { encodeHeaders, encodeInteger } from "../../../../src/wire/http2/hpack-encoder.ts";
import { decodeFields, exchangeWithNode, type Field, tableOf } from "../../../support/header-blocks.ts";
import { randomFields } from "../../../support/random-header-fields.ts";

const SEED = 20_261_120;
const ANSWERS = 100;

describe("an encoded block", () => {
  it.each([
    { name: "a field of the static table is one byte", fields: [[":status", "200"]], block: "88" },
    {
      name: "a name of the static table goes by its first index",
      fields: [
        [":status", "101"],
        ["content-type", "a"],
      ],
      block: "0803313031 0f10 0161",
    },
    { name: "a name of its own is spelled out", fields: [["te", ""]], block: "00 027465 00" },
    { name: "no fields are no bytes", fields: [], block: "" },
  ] as { name: string; fields: Field[]; block: string }[])("$name", ({ fields, block }) => {
    expect(encodeHeaders(fields).toString("hex")).toBe(block.replaceAll(" ", ""));
  });

  // RFC 7541, appendix C.1.
  it.each([
    { value: 10, bits: 5, encoded: "0a" },
    { value: 1337, bits: 5, encoded: "1f9a0a" },
    { value: 42, bits: 8, encoded: "2a" },
    { value: 31, bits: 5, encoded: "1f00" },
  ])("has the integer $value with a prefix of $bits bits as $encoded", ({ value, bits, encoded }) => {
    expect(encodeInteger(0, bits, value).toString("hex")).toBe(encoded);
  });

  it("is what it says to the decoder, and leaves its table alone", () => {
    const prng = new Prng(SEED);
    const decoder = new HpackDecoder();
    for (let run = 0; run < 500; run++) {
      const fields = randomFields(prng);
      expect(decodeFields(decoder, encodeHeaders(fields)), `seed ${SEED}, run ${run}`).toEqual(fields);
    }
    expect(tableOf(decoder)).toEqual([]);
  });

  it(`is what it says to Node's HTTP/2, ${ANSWERS} times on one connection`, async () => {
    const prng = new Prng(SEED).fork("answers");
    const sent = Array.from({ length: ANSWERS }, (): Field[] => {
      const unique = new Map(randomFields(prng).filter(([name]) => name.startsWith("x-")));
      return [[":status", String(200 + prng.nextBelow(300))], ...unique];
    });
    const { answers } = await exchangeWithNode({
      requests: sent.map(() => ({ ":path": "/" })),
      tableSizeMax: 4096,
      answer: (index) => encodeHeaders(sent[index] as Field[]),
    });
    expect(answers).toHaveLength(ANSWERS);
    for (const [index, fields] of sent.entries()) {
      const received = Object.entries(answers[index] as object).map(([name, value]) => [name, String(value)]);
      expect(received, `seed ${SEED}, answer ${index}`).toEqual(fields);
    }
  });

  it("refuses what a header cannot hold", () => {
    expect(() => encodeHeaders([["Grpc-Status", "0"]])).toThrow("lower case");
    expect(() => encodeHeaders([["grpc-message", "Ω"]])).toThrow("U+00FF");
  });
});
