import { describe, expect, test } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { expectedScan } from "../../support/json-scan-oracle.ts";
import { KERNEL_BUILDS, testKernel } from "../../support/kernel.ts";
import {
  BLOCK_SIZE,
  beginScan,
  CHAT,
  COMPLETIONS,
  idsOf,
  type ScanOptions,
  scanFacts,
  scanInSteps,
  scanPiece,
  scanPieces,
  windowField,
} from "../../support/scan.ts";

const { SCAN_CUT, SCAN_DONE, SCAN_MORE, SCAN_NOT_JSON, SCAN_TOO_DEEP, SCAN_WRONG_TYPE } = layout;

describe.each(KERNEL_BUILDS)("json scan of what is no request, %s build", (build) => {
  const kernel = testKernel(build);

  describe("refuses what is no request", () => {
    test.each([
      ["", 0],
      ["   ", 3],
      ["{", 1],
      [`{"model"`, 8],
      [`{"model":"x`, 11],
      [`{"model":"x\\`, 12],
      [`{"model":"x\\u12`, 15],
      [`{"a":tru`, 8],
      [`{"a":1`, 6],
      [`{"a":-`, 6],
      [`{"a":1}`.slice(0, -1), 6],
      [`{"a":[[]`, 8],
    ])("%j is cut", (body, offset) => {
      expect(refusal(body)).toEqual([SCAN_CUT, offset]);
    });

    test.each([
      [`{"a":1}}`, 7],
      [`{"a":1} x`, 8],
      [`{"a":1},{}`, 7],
      [`{"a" 1}`, 5],
      [`{"a":1 "b":2}`, 7],
      [`{"a":1,}`, 7],
      [`{,}`, 1],
      [`{"a":[1,]}`, 8],
      [`{"a":[,1]}`, 6],
      [`{"a":[1}`, 7],
      [`{"a":1]`, 6],
      [`{a:1}`, 1],
      [`{'a':1}`, 1],
      [`{"a":01}`, 6],
      [`{"a":-}`, 6],
      [`{"a":+1}`, 5],
      [`{"a":.5}`, 5],
      [`{"a":1.}`, 7],
      [`{"a":1.e2}`, 7],
      [`{"a":1e}`, 7],
      [`{"a":1e+}`, 8],
      [`{"a":1e5e5}`, 8],
      [`{"a":1e5.5}`, 8],
      [`{"a":1.5.5}`, 8],
      [`{"a":--1}`, 6],
      [`{"a":1-2}`, 6],
      [`{"a":0x10}`, 6],
      [`{"a":NaN}`, 5],
      [`{"a":nul}`, 8],
      [`{"a":nullx}`, 9],
      [`{"a":truE}`, 8],
      [`{"a":True}`, 5],
      [`{"a":"\\x"}`, 7],
      [`{"a":"\\u12g4"}`, 10],
      [`{"a":"\\u 123"}`, 8],
      [`{"a":"\\ud83d\\u00zz"}`, 16],
      [`{"a":"x\ny"}`, 7],
      [`{"a":"\u0000"}`, 6],
      [`{"a":"${"x".repeat(40)}\u001f"}`, 46],
      [`{"a\u0001":1}`, 3],
      [`{"a":1}\u0000`, 7],
      [`{\u000b"a":1}`, 1],
      [`{"a":1}\u00a0`, 7],
      [`\ufeff{"a":1}`, 0],
      [`]`, 0],
      [`:`, 0],
      [`{:1}`, 1],
      [`{"a"::1}`, 5],
      [`{"a":{"b"}}`, 9],
      [`{"a":tr\u0000e}`, 7],
      [`{"a":null\u0000}`, 9],
    ])("%j is not JSON", (body, offset) => {
      expect(() => JSON.parse(body), "JSON.parse agrees").toThrow();
      expect(refusal(body)).toEqual([SCAN_NOT_JSON, offset]);
    });

    test.each([
      ["where a token is expected", `{"a":[1@,2]}`],
      ["where a value begins", `{"a":@}`],
      ["where a key begins", `{@}`],
      ["before the body", `@{}`],
      ["after the body", `{}@`],
      ["between token ids", `{"prompt":[1@2]}`],
      ["where a token id begins", `{"prompt":[1,@]}`],
      ["after a token id and a comma", `{"prompt":[1,@,3]}`],
      ["after a token id, a comma and a space", `{"prompt":[1, @2,3]}`],
      ["in a short string", `{"prompt":"a@b"}`],
      ["in a long string", `{"prompt":"${"a".repeat(30)}@${"b".repeat(30)}"}`],
      ["in a key", `{"@":1}`],
      ["after a backslash", `{"prompt":"\\@${"b".repeat(30)}"}`],
      ["as the first hex digit", `{"prompt":"\\u@000${"b".repeat(30)}"}`],
      ["as the last hex digit", `{"prompt":"\\u000@${"b".repeat(30)}"}`],
      ["as a hex digit of a low surrogate", `{"prompt":"\\ud800\\ud@00${"b".repeat(30)}"}`],
      ["in a literal", `{"a":tr@e}`],
      ["in a number", `{"a":1@2}`],
    ])("each of the 128 ASCII characters %s is taken or refused as JSON.parse does", (_, template) => {
      const api = COMPLETIONS;
      for (let code = 0; code < 128; code++) {
        const body = Buffer.from(template.replace("@", () => String.fromCharCode(code)));
        const expected = expectedScan(body, api, BLOCK_SIZE);
        const message = JSON.stringify(body.toString());
        for (const cuts of [[], [body.length - 1], [template.indexOf("@")], [template.indexOf("@") + 1]]) {
          const result = scanPieces(kernel, body, cuts, { api });
          if (expected === "not JSON") expect(result, message).toBeGreaterThan(SCAN_DONE);
          else if (result !== SCAN_DONE) expect({ result }, message).toMatchObject({ result: expected.result });
          else expect({ result, facts: scanFacts(kernel) }, message).toEqual(expected);
        }
      }
    });

    test.each([
      ["[]", 0],
      [` [{"model":"m"}]`, 1],
      [`"text"`, 0],
      ["12", 0],
      ["-1", 0],
      ["true", 0],
      ["null", 0],
    ])("%s is not an object", (body, offset) => {
      expect(refusal(body)).toEqual([layout.SCAN_NOT_AN_OBJECT, offset]);
    });

    test.each([
      [`{"model":7}`, 9],
      [`{"model":["m"]}`, 9],
      [`{"model":true}`, 9],
      [`{"model":"m","model":{}}`, 21],
      [`{"cache_salt":7}`, 14],
      [`{"messages":{}}`, 12],
      [`{"messages":"hi"}`, 12],
      [`{"messages":7}`, 12],
    ])("%s has a field of a wrong type", (body, offset) => {
      expect(refusal(body)).toEqual([SCAN_WRONG_TYPE, offset]);
    });

    test.each([
      [`{"prompt":7}`, 10],
      [`{"prompt":{}}`, 10],
      [`{"prompt":false}`, 10],
    ])("the completion %s has a prompt of a wrong type", (body, offset) => {
      expect(refusal(body, { api: COMPLETIONS })).toEqual([SCAN_WRONG_TYPE, offset]);
    });

    test.each([
      ["model", layout.MODEL_SIZE_MAX, layout.SCAN_MODEL_TOO_LONG],
      ["cache_salt", layout.SALT_SIZE_MAX, layout.SCAN_SALT_TOO_LONG],
    ])("a %s of %d bytes is taken, one byte more is refused", (key, sizeMax, tooLong) => {
      for (const [raw, size] of [
        ["m", 1],
        ["\\n", 1],
        ["\\u00e9", 2],
      ] as const) {
        const fits = raw.repeat(sizeMax / size);
        expect(scanText(`{"${key}":"${fits}"}`)).toBe(SCAN_DONE);
        // Refused at the opening quote, wherever the body is cut.
        const refused = [tooLong, key.length + 4];
        expect(refusal(`{"${key}":"${fits}m"}`)).toEqual(refused);
        expect(refusal(`{"${key}":"${fits}m"}`, {}, 100)).toEqual(refused);
        expect(refusal(`{"${key}":"${fits}m\u0000`)).toEqual(refused);
        expect(refusal(`{"${key}":"${"h".repeat(200_000)}`, {}, 50_000)).toEqual(refused);
      }
    });

    test("a refusal is repeated by later calls and leaves the offset alone", () => {
      expect(scanText(`{"a":1}}`)).toBe(SCAN_NOT_JSON);
      expect(scanPiece(kernel, Buffer.from(`{"a":1}`), true)).toBe(SCAN_NOT_JSON);
      expect(windowField(kernel, layout.WINDOW_BODY_OFFSET)).toBe(7);
      expect(windowField(kernel, layout.WINDOW_RESULT)).toBe(SCAN_NOT_JSON);
    });

    test("a refusal comes with the piece that holds the byte, not later", () => {
      beginScan(kernel, {});
      expect(scanPiece(kernel, Buffer.from(`{"a":`), false)).toBe(SCAN_MORE);
      expect(scanPiece(kernel, Buffer.from(`oops`), false)).toBe(SCAN_NOT_JSON);
      expect(windowField(kernel, layout.WINDOW_BODY_OFFSET)).toBe(5);
    });

    test("a complete body is done only with its last piece", () => {
      beginScan(kernel, {});
      expect(scanPiece(kernel, Buffer.from(`{"model":"m"}`), false)).toBe(SCAN_MORE);
      expect(scanPiece(kernel, Buffer.from(` `), false)).toBe(SCAN_MORE);
      expect(scanPiece(kernel, Buffer.from(``), true)).toBe(SCAN_DONE);
      expect(windowField(kernel, layout.WINDOW_BODY_OFFSET)).toBe(14);
    });

    test("a chunk longer than CHUNK_SIZE_MAX and a block size out of range are programmer errors: they trap", () => {
      beginScan(kernel, {});
      expect(() => kernel.kernel.scanBody(0, 0, layout.CHUNK_SIZE_MAX + 1, 1)).toThrow("unreachable");
      for (const blockSize of [0, 60, 66, layout.BLOCK_SIZE_MAX + 4]) {
        expect(() => beginScan(kernel, { blockSize }), `block size ${blockSize}`).toThrow("unreachable");
      }
    });

    test("a window is as new after scanBegin, whatever it held", () => {
      expect(
        scanText(
          `{"model":"m","stream":true,"tools":[1],"messages":[{"content":"c"}],"cache_salt":"s","max_tokens":1}x`,
        ),
      ).toBe(SCAN_NOT_JSON);
      expect(scanText(`{}`)).toBe(SCAN_DONE);
      expect({ result: SCAN_DONE, facts: scanFacts(kernel) }).toEqual(
        expectedScan(Buffer.from("{}"), CHAT, BLOCK_SIZE),
      );
    });
  });

  describe("bounds the depth", () => {
    const nested = (depth: number, open: string, close: string): string => {
      const inner = depth - 1;
      return `{"a":${open.repeat(inner)}1${close.repeat(inner)}}`;
    };

    test.each([
      ["arrays", "[", "]"],
      ["objects", `{"a":`, "}"],
    ])("%s may be nested to JSON_DEPTH_MAX and no deeper", (_, open, close) => {
      const deepest = nested(layout.JSON_DEPTH_MAX, open, close);
      expect(scanText(deepest)).toBe(SCAN_DONE);
      expect(scanText(deepest, {}, 97)).toBe(SCAN_DONE);
      const tooDeep = nested(layout.JSON_DEPTH_MAX + 1, open, close);
      expect(refusal(tooDeep)).toEqual([SCAN_TOO_DEEP, 5 + (layout.JSON_DEPTH_MAX - 1) * open.length]);
      expect(scanText(nested(100_000, open, close), {}, 50_000)).toBe(SCAN_TOO_DEEP);
      expect(scanText(`{"a":${open.repeat(100_000)}`, {}, 50_000)).toBe(SCAN_TOO_DEEP);
    });

    test("brackets must match at every depth", () => {
      const depth = 100;
      const mixed = Array.from({ length: depth }, (_, index) => (index % 3 === 0 ? "[" : `{"k":`));
      const closes = mixed.map((open) => (open === "[" ? "]" : "}")).reverse();
      for (let wrong = 0; wrong < depth; wrong++) {
        const swapped = closes.map((close, index) => (index === wrong ? (close === "]" ? "}" : "]") : close));
        expect(scanText(`{"a":${mixed.join("")}1${closes.join("")}}`)).toBe(SCAN_DONE);
        expect(scanText(`{"a":${mixed.join("")}1${swapped.join("")}}`)).toBe(SCAN_NOT_JSON);
      }
    });

    test("fields are found again after deep containers, inside tools too", () => {
      const deep = `${"[".repeat(500)}${"]".repeat(500)}`;
      expect(scanText(`{"x":${deep},"tools":[${deep}],"messages":[{"x":${deep},"content":"c"}],"model":"m"}`)).toBe(
        SCAN_DONE,
      );
      expect(scanFacts(kernel)).toMatchObject({ model: "m", tools: idsOf(`[${deep}]`), prompt: idsOf("c") });
    });
  });

  function scanText(text: string, options?: ScanOptions, step?: number): number {
    return scanInSteps(kernel, Buffer.from(text), { ...options, ...(step !== undefined && { step }) });
  }

  function refusal(text: string, options: ScanOptions = {}, step?: number): [result: number, offset: number] {
    return [scanText(text, options, step), windowField(kernel, layout.WINDOW_BODY_OFFSET)];
  }
});
