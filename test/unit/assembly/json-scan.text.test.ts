import { describe, expect, test } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { KERNEL_BUILDS, testKernel } from "../../support/kernel.ts";
import {
  BLOCK_SIZE,
  COMPLETIONS,
  hexIds,
  idsOf,
  partIds,
  type ScanOptions,
  scanFacts,
  scanInSteps,
  scanPieces,
  windowField,
} from "../../support/scan.ts";
import { blockIds } from "../../support/xxh64.ts";

const { SCAN_DONE } = layout;

describe.each(KERNEL_BUILDS)("canonical bytes of a body, %s build", (build) => {
  const kernel = testKernel(build);

  describe("makes block ids", () => {
    test.each([0, 1, 63, 64, 65, 127, 128, 1000])(
      "of a prompt of %d bytes, the partial last block included",
      (size) => {
        const prompt = "abcdefghijklmnopqrstuvwxyz".repeat(40).slice(0, size);
        expect(scanText(`{"prompt":"${prompt}"}`, { api: COMPLETIONS })).toBe(SCAN_DONE);
        expect(scanFacts(kernel).prompt).toEqual(idsOf(prompt));
      },
    );

    test.each([64, 68, 100, 256, 4096])("with blocks of %d bytes, however the body is cut", (blockSize) => {
      const prompt = Array.from({ length: 2000 }, (_, index) => `word${index} `).join("");
      const body = Buffer.from(JSON.stringify({ messages: [{ content: prompt }] }));
      for (const step of [1000, 4096, 65536]) {
        const cuts = Array.from({ length: Math.ceil(body.length / step) - 1 }, (_, index) => (index + 1) * step);
        expect(scanPieces(kernel, body, cuts, { blockSize })).toBe(SCAN_DONE);
        expect(scanFacts(kernel).prompt).toEqual(hexIds(blockIds(Buffer.from(prompt), blockSize)));
      }
    });

    test("parts are cut into blocks separately", () => {
      const tools = `["${"t".repeat(100)}"]`;
      const content = "c".repeat(100);
      expect(scanText(`{"messages":[{"content":"${content}"}],"tools":${tools}}`)).toBe(SCAN_DONE);
      expect(scanFacts(kernel)).toMatchObject({ tools: idsOf(tools), prompt: idsOf(content), promptSize: 204 });
    });

    test("a part that comes again leaves its first ids unused and its size uncounted", () => {
      const first = "a".repeat(200);
      const second = "b".repeat(100);
      const body = `{"messages":[{"content":"${first}"}],"tools":[],"messages":[{"content":"${second}"}]}`;
      expect(scanText(body)).toBe(SCAN_DONE);
      expect(scanFacts(kernel)).toMatchObject({ prompt: idsOf(second), tools: idsOf("[]"), promptSize: 102 });
      expect(windowField(kernel, layout.WINDOW_ID_COUNT)).toBe(4 + 1 + 2);
    });

    test("blocks beyond BLOCKS_MAX are counted, not hashed, and what lies behind the ids stays untouched", () => {
      const blocks = layout.BLOCKS_MAX + 10;
      const prompt = "0123456789abcdef".repeat((blocks * BLOCK_SIZE) / 16 - 1);
      const body = Buffer.from(`{"prompt":"${prompt}","max_tokens":5}`);
      const behind = kernel.windowBase(0, 0) + layout.WINDOW_IDS + layout.BLOCKS_MAX * 8;
      kernel.bytes.fill(0xcc, behind, behind + 64);
      expect(scanPieces(kernel, body, [50_000, 100_000], { api: COMPLETIONS })).toBe(SCAN_DONE);
      expect(windowField(kernel, layout.WINDOW_ID_COUNT)).toBe(layout.BLOCKS_MAX);
      expect(windowField(kernel, layout.WINDOW_BLOCKS_BEYOND)).toBe(10);
      expect(scanFacts(kernel)).toMatchObject({ promptSize: prompt.length, outputCap: 5, hasPrompt: true });
      expect(partIds(kernel, layout.PART_PROMPT).at(-1)).toBe(idsOf(prompt.slice(0, BLOCK_SIZE))[0]);
      expect(kernel.bytes.subarray(behind, behind + 64)).toEqual(new Uint8Array(64).fill(0xcc));
    });

    test("dropping a part takes its blocks beyond BLOCKS_MAX back", () => {
      const long = "x".repeat(BLOCK_SIZE * (layout.BLOCKS_MAX + 3) + 1);
      const body = Buffer.from(`{"messages":[{"content":"${long}"}],"messages":[{"content":"y"}]}`);
      expect(scanPieces(kernel, body, [60_000, 120_000])).toBe(SCAN_DONE);
      expect(windowField(kernel, layout.WINDOW_BLOCKS_BEYOND)).toBe(1);
      expect(scanFacts(kernel)).toMatchObject({ prompt: [], promptSize: 1, hasPrompt: true });
    });

    test("a chunk full of one-digit token ids, each twice its size, fits the staging area", () => {
      const count = layout.CHUNK_SIZE_MAX;
      const opening = `{"prompt":[1`;
      const body = Buffer.from(`${opening}${",1".repeat(count)}]}`);
      const behind = kernel.shardBase(0) + layout.SHARD_STAGING + layout.STAGING_SIZE;
      kernel.bytes.fill(0xcc, behind, behind + 16);
      const cuts = [opening.length, opening.length + layout.CHUNK_SIZE_MAX, opening.length + 2 * layout.CHUNK_SIZE_MAX];
      expect(scanPieces(kernel, body, cuts, { api: COMPLETIONS, blockSize: 4096 })).toBe(SCAN_DONE);
      const ids = Buffer.from(Uint32Array.from({ length: count + 1 }, () => 1).buffer);
      expect(scanFacts(kernel).prompt).toEqual(hexIds(blockIds(ids, 4096)));
      expect(kernel.bytes.subarray(behind, behind + 16)).toEqual(new Uint8Array(16).fill(0xcc));
    });
  });

  describe("unescapes text", () => {
    test.each([
      ["simple escapes", `\\"\\\\\\/\\b\\f\\n\\r\\t`, `"\\/\b\f\n\r\t`],
      ["escapes of one to three bytes", `\\u0041\\u00e9\\u20AC\\uffff\\u0000`, "Aé€\uffff\0"],
      ["a surrogate pair", `\\ud83d\\ude00`, "😀"],
      ["the first and the last pair", `\\ud800\\udc00\\udbff\\udfff`, "\u{10000}\u{10ffff}"],
      ["a lone high surrogate", `a\\ud83db`, "a\ufffdb"],
      ["a lone low surrogate", `a\\ude00b`, "a\ufffdb"],
      ["a high surrogate before another escape", `\\ud83d\\n`, "\ufffd\n"],
      ["a high surrogate before a plain unit", `\\ud83d\\u0041`, "\ufffdA"],
      ["a high surrogate before text that looks like a low one", `\\ud83d..de00`, "\ufffd..de00"],
      ["two high surrogates and a low one", `\\ud83d\\ud83d\\ude00`, "\ufffd😀"],
      ["a swapped pair", `\\ude00\\ud83d`, "\ufffd\ufffd"],
      ["raw characters of every size", "Aé€😀", "Aé€😀"],
      ["a long run of three-byte units", "\\u65e5\\u672c\\u8a9e".repeat(30), "日本語".repeat(30)],
    ])("%s", (_, raw, text) => {
      // Short and long text around it: the escape stands within and beyond the first 16 bytes, and near the chunk's
      // end.
      for (const around of ["", "x".repeat(15), "y".repeat(40)]) {
        const body = `{"messages":[{"content":"${around}${raw}${around}"}]}`;
        expect(scanText(body)).toBe(SCAN_DONE);
        expect(scanFacts(kernel).prompt).toEqual(idsOf(around + text + around));
      }
    });

    test("a lone surrogate at the end of one string does not pair with the next string's", () => {
      expect(scanText(`{"messages":[{"role":"\\ud83d","content":"\\ude00"}]}`)).toBe(SCAN_DONE);
      expect(scanFacts(kernel).prompt).toEqual(idsOf("\ufffd\ufffd"));
    });

    test("bytes that are no UTF-8 pass as they are", () => {
      const bytes = Buffer.from([0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80]);
      const body = Buffer.concat([Buffer.from(`{"prompt":"`), bytes, Buffer.from(`"}`)]);
      expect(scanPieces(kernel, body, [], { api: COMPLETIONS })).toBe(SCAN_DONE);
      expect(scanFacts(kernel).prompt).toEqual(hexIds(blockIds(bytes, BLOCK_SIZE)));
    });
  });

  function scanText(text: string, options?: ScanOptions, step?: number): number {
    return scanInSteps(kernel, Buffer.from(text), { ...options, ...(step !== undefined && { step }) });
  }
});
