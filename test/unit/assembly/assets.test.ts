/** Images, videos and audio in a prompt: how many tokens they stand for, and which. */
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { ASSETS_DEFAULT } from "../../support/asset-tokens.ts";
import { dataUrl, gif, jpeg, png } from "../../support/images.ts";
import { KERNEL_BUILDS, testKernel } from "../../support/kernel.ts";
import {
  type AssetNumbers,
  beginScan,
  type ScanOptions,
  scanFacts,
  scanPieces,
  windowField,
} from "../../support/scan.ts";
import { blockIds, xxh64 } from "../../support/xxh64.ts";

const { API_ANTHROPIC_MESSAGES, API_OPENAI_CHAT, ASSET_TOKENS_MAX, BLOCKS_MAX, SCAN_DONE } = layout;
const BLOCK_SIZE = 64;
const SEED = 20_261_121;

const chat = (...parts: readonly object[]): Buffer => Buffer.from(JSON.stringify({ messages: [{ content: parts }] }));
const image = (url: string): object => ({ type: "image_url", image_url: { url } });
const text = (content: string): object => ({ type: "text", text: content });

/** `count` times the low half of the content's XXH64, the lowest byte first. */
function tokens(content: string, count: number): Buffer {
  const token = Buffer.alloc(4);
  token.writeUInt32LE(Number(xxh64(Buffer.from(content)) & 0xffff_ffffn));
  return Buffer.concat(Array.from({ length: count }, () => token));
}

describe.each(KERNEL_BUILDS)("assets, %s build", (build) => {
  const kernel = testKernel(build);

  function expectPrompt(body: Buffer, prompt: Buffer, options: ScanOptions = {}): void {
    const cuts = body.length > 50_000 ? [50_000] : [];
    expect(scanPieces(kernel, body, cuts, { blockSize: BLOCK_SIZE, ...options })).toBe(SCAN_DONE);
    expect(windowField(kernel, layout.WINDOW_PROMPT_SIZE)).toBe(prompt.length);
    const ids = blockIds(prompt, BLOCK_SIZE).map((id) => id.toString(16).padStart(16, "0"));
    expect(scanFacts(kernel).prompt).toEqual(ids.slice(0, BLOCKS_MAX));
  }

  test.each([
    ["PNG", "png", png(1024, 768), 768],
    ["GIF", "gif", gif(320, 240), 75],
    ["baseline JPEG", "jpeg", jpeg(640, 480), 300],
    ["progressive JPEG", "jpeg", jpeg(640, 480, [], 0xc2), 300],
    ["JPEG behind long segments", "jpeg", jpeg(2048, 1024, [Buffer.alloc(60_000, 0xff), Buffer.alloc(1)]), 2048],
    ["JPEG with a frame that browsers do not take", "jpeg", jpeg(640, 480, [], 0xc3), 225],
    ["JPEG without a frame", "jpeg", Buffer.from([0xff, 0xd8, 0xff, 0xda, 0, 8, 1]), 225],
    ["JPEG whose segment is smaller than its size", "jpeg", Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 1, 1]), 225],
    [
      "JPEG of too many segments",
      "jpeg",
      jpeg(
        640,
        480,
        Array.from({ length: 300 }, () => Buffer.alloc(0)),
      ),
      225,
    ],
    ["PNG of one pixel", "png", png(1, 1), 1],
    ["PNG of 1023 pixels", "png", png(341, 3), 1],
    ["PNG without height", "png", png(640, 0), 225],
    ["PNG that is cut before its size", "png", png(640, 480).subarray(0, 23), 225],
    ["PNG of 16 million pixels", "png", png(4096, 4096), ASSET_TOKENS_MAX],
    ["PNG that claims more", "png", png(0xffff_ffff, 0xffff_ffff), ASSET_TOKENS_MAX],
    ["file of another kind", "webp", Buffer.from("RIFF\x10\0\0\0WEBPVP8 aaaaaaaaaaaaaaaaaaaaaaaa", "latin1"), 225],
    ["empty file", "png", Buffer.alloc(0), 225],
  ])("a data URL with a %s stands for as many tokens as its pixels say", (_, type, file, count) => {
    const url = dataUrl(type, file);
    expectPrompt(chat(image(url)), tokens(url, count));
  });

  test.each([
    ["an image elsewhere", image("https://images/1.png"), "https://images/1.png", 225],
    ["a URL alone", { image_url: "https://images/1.png" }, "https://images/1.png", 225],
    ["a data URL that is no image's", image(`data:text/plain;base64,AAAA`), "data:text/plain;base64,AAAA", 225],
    ["a data URL without base64", image("data:image/svg+xml,<svg/>"), "data:image/svg+xml,<svg/>", 225],
    ["a video", { video_url: { url: "https://v/1.mp4" } }, "https://v/1.mp4", 4500],
    ["an audio link", { audio_url: { url: "https://a/1.wav" } }, "https://a/1.wav", 4],
    ["audio", { input_audio: { data: "UklGRg==", format: "wav" } }, "UklGRg==wav", 3],
    ["audio whose format comes first", { input_audio: { format: "wav", data: "UklGRg==" } }, "UklGRg==wav", 3],
    ["audio of one byte", { input_audio: { data: "U" } }, "U", 1],
    ["audio of a long format", { input_audio: { data: "U", format: "f".repeat(99) } }, `U${"f".repeat(32)}`, 9],
  ])("%s", (_, part, content, count) => {
    expectPrompt(chat(part), tokens(content, count));
  });

  test.each([
    [{ image_url: { url: "" } }],
    [{ image_url: { detail: "low" } }],
    [{ image_url: 7 }],
    [{ image_url: { url: ["u"] } }],
    [{ input_audio: { format: "wav" } }],
    [{ input_audio: "UklGRg==" }],
  ])("%j is no asset", (part) => {
    expectPrompt(chat(part), Buffer.alloc(0));
  });

  // As models do it: Qwen2.5-VL has a token per 28 × 28 pixels, Qwen3-VL one per 32 × 32, Gemma 3 always 256.
  test.each<[string, Partial<AssetNumbers>, Buffer, number]>([
    ["by 28 × 28 pixels", { imageTokenPixels: 784 }, png(1024, 768), 1003],
    ["by 32 × 32 pixels", { imageTokenPixels: 1024 }, png(1024, 768), 768],
    ["by single pixels", { imageTokenPixels: 1 }, png(127, 129), 16_383],
    ["by single pixels of more than are counted", { imageTokenPixels: 1 }, png(129, 128), ASSET_TOKENS_MAX],
    ["by more pixels than it has", { imageTokenPixels: 786_433 }, png(1024, 768), 1],
    ["by as many pixels as it has", { imageTokenPixels: 786_432 }, png(1024, 768), 1],
    ["by more pixels than there are", { imageTokenPixels: 2 ** 32 - 1 }, png(65_535, 65_535), 1],
    ["by half the pixels of the largest", { imageTokenPixels: 2 ** 31 }, png(65_536, 65_536), 2],
    ["always alike", { imageTokenPixels: 0, imageTokens: 256 }, png(1024, 768), 256],
    ["always alike, without a size", { imageTokenPixels: 0, imageTokens: 256 }, Buffer.alloc(0), 256],
    ["as one of unknown size", { imageTokens: 900 }, Buffer.alloc(0), 900],
    ["by its size, which is known", { imageTokens: 900 }, png(1024, 768), 768],
  ])("an image is counted %s, if the policy says so", (_, assets, file, count) => {
    const url = dataUrl("png", file);
    expectPrompt(chat(image(url)), tokens(url, count), { assets: { ...ASSETS_DEFAULT, ...assets } });
  });

  test.each([
    ["as the policy says", 0, 420],
    ["as the request says", 11, 11],
    ["at most as many as are counted", ASSET_TOKENS_MAX, ASSET_TOKENS_MAX],
  ])("all videos of a body count %s", (_, videoTokens, count) => {
    const assets = { ...ASSETS_DEFAULT, videoTokens: 420 };
    const body = chat({ video_url: { url: "v" } }, image("i"), { video_url: { url: "w" } });
    const expected = [tokens("v", count), tokens("i", 225), tokens("w", count)];
    expectPrompt(body, Buffer.concat(expected), { assets, videoTokens });
  });

  test("a body whose videos have more tokens than are counted is a programmer's error: it traps", () => {
    expect(() => beginScan(kernel, { videoTokens: ASSET_TOKENS_MAX + 1 })).toThrow("unreachable");
  });

  test("what is left of one asset is not taken for the next one's", () => {
    const parts = [
      { input_audio: { format: "mp3" } },
      { input_audio: { data: "abcd" } },
      image("u"),
      { image_url: {} },
    ];
    expectPrompt(chat(...parts), Buffer.concat([tokens("abcd", 1), tokens("u", 225)]));
  });

  test("tokens begin at the next multiple of 4, and text follows at once", () => {
    for (let size = 0; size < 9; size++) {
      const before = "x".repeat(size);
      const padding = Buffer.alloc(-size & 3);
      const expected = Buffer.concat([Buffer.from(before), padding, tokens("u", 225), Buffer.from("yz")]);
      expectPrompt(chat(text(before), image("u"), text("yz")), expected);
    }
  });

  test("Anthropic's images come as base64, as a URL, and in results of tools", () => {
    const data = png(64, 64).toString("base64");
    const content = [
      { type: "image", source: { type: "base64", media_type: "image/png", data } },
      { type: "image", source: { type: "url", url: dataUrl("gif", gif(64, 32)) } },
      { type: "tool_result", content: [{ type: "image", source: { type: "url", url: "http://i" } }] },
    ];
    const expected = [tokens(data, 4), tokens(dataUrl("gif", gif(64, 32)), 2), tokens("http://i", 225)];
    const body = Buffer.from(JSON.stringify({ messages: [{ role: "user", content }] }));
    expectPrompt(body, Buffer.concat([Buffer.from("user"), ...expected]), { api: API_ANTHROPIC_MESSAGES });
  });

  test("megabytes of base64 in many pieces come to the same hash and size as at once", () => {
    const prng = new Prng(SEED);
    const noise = Buffer.from(Uint8Array.from({ length: 2_000_000 }, () => prng.nextU32()));
    const url = dataUrl("jpeg", Buffer.concat([jpeg(1024, 512, [noise.subarray(0, 50_000)]), noise]));
    const body = chat(text("before"), image(url), text("after"));
    const expected = Buffer.concat([Buffer.from("before\0\0"), tokens(url, 512), Buffer.from("after")]);
    const ids = blockIds(expected, BLOCK_SIZE).map((id) => id.toString(16).padStart(16, "0"));
    for (const step of [65_536, 65_535, 10_007]) {
      const cuts = Array.from({ length: Math.ceil(body.length / step) - 1 }, (_, index) => (index + 1) * step);
      expect(scanPieces(kernel, body, cuts, { api: API_OPENAI_CHAT, blockSize: BLOCK_SIZE })).toBe(SCAN_DONE);
      expect(scanFacts(kernel).prompt, `pieces of ${step}`).toEqual(ids);
    }
  });

  test("what is passed over in a JPEG may be anything, however it is cut", () => {
    const url = dataUrl("jpeg", jpeg(64, 96, [Buffer.alloc(61)]));
    const start = url.indexOf("AAAAAAAAAAAA");
    const damaged = `${url.slice(0, start)}${"*".repeat(12)}${url.slice(start + 12)}`;
    const body = chat(image(damaged));
    expectPrompt(body, tokens(damaged, 6));
    const whole = scanFacts(kernel).prompt;
    for (let cut = 0; cut <= body.length; cut++) {
      scanPieces(kernel, body, [cut], { blockSize: BLOCK_SIZE });
      expect(scanFacts(kernel).prompt, `cut at ${cut}`).toEqual(whole);
    }
  });

  test("the hash does not depend on how the content is cut", () => {
    const content = "0123456789abcdefghijklmnopqrstuvwxyz".repeat(4);
    let executions = 0;
    for (let size = 1; size <= 100; size++) {
      const body = chat(image(content.slice(0, size)));
      const start = body.indexOf(content.slice(0, size));
      expectPrompt(body, tokens(content.slice(0, size), 225));
      const whole = scanFacts(kernel).prompt;
      for (const step of [1, 7, 31, 32, 33]) {
        const cuts = Array.from({ length: Math.ceil(size / step) }, (_, index) => start + index * step);
        scanPieces(kernel, body, cuts, { blockSize: BLOCK_SIZE });
        expect(scanFacts(kernel).prompt).toEqual(whole);
        executions++;
      }
    }
    expect(executions).toBe(500);
  });

  test.each([64, 68, 256, 4_096])(
    "videos fill blocks of %i bytes, and those beyond BLOCKS_MAX only count",
    (blockSize) => {
      const count = 120;
      const body = chat(
        text("abc"),
        ...Array.from({ length: count }, () => ({ video_url: { url: "v" } })),
        text("end"),
      );
      expect(scanPieces(kernel, body, [1_000], { blockSize })).toBe(SCAN_DONE);
      const prompt = Buffer.concat([
        Buffer.from("abc\0"),
        ...Array.from({ length: count }, () => tokens("v", 4500)),
        Buffer.from("end"),
      ]);
      const blocks = Math.ceil(prompt.length / blockSize);
      expect(windowField(kernel, layout.WINDOW_PROMPT_SIZE)).toBe(prompt.length);
      expect(windowField(kernel, layout.WINDOW_ID_COUNT)).toBe(Math.min(blocks, BLOCKS_MAX));
      expect(windowField(kernel, layout.WINDOW_BLOCKS_BEYOND)).toBe(Math.max(0, blocks - BLOCKS_MAX));
      const hashed = prompt.subarray(0, BLOCKS_MAX * blockSize);
      expect(scanFacts(kernel).prompt).toEqual(
        blockIds(hashed, blockSize).map((id) => id.toString(16).padStart(16, "0")),
      );
    },
  );

  test("a body full of images that claim to be huge stays within its bounds, and its sizes stop at their maximum", () => {
    const url = dataUrl("png", png(0x7fff_ffff, 0x7fff_ffff));
    const part = JSON.stringify(image(url));
    // 64 KiB of tokens each.
    const count = 20_000;
    const body = Buffer.from(`{"messages":[{"content":[${`${part},`.repeat(count)}{"text":"end"}]}],"model":"m"}`);
    const behind = kernel.shardBase(0) + layout.SHARD_STAGING + layout.STAGING_SIZE;
    kernel.bytes.fill(0xcc, behind, behind + 16);
    const cuts = Array.from({ length: Math.floor(body.length / 65_536) }, (_, index) => (index + 1) * 65_536);
    expect(scanPieces(kernel, body, cuts, { blockSize: BLOCK_SIZE })).toBe(SCAN_DONE);
    expect(windowField(kernel, layout.WINDOW_PROMPT_SIZE)).toBe(layout.PART_SIZE_MAX);
    expect(windowField(kernel, layout.WINDOW_ID_COUNT)).toBe(BLOCKS_MAX);
    expect(windowField(kernel, layout.WINDOW_BLOCKS_BEYOND)).toBe((count * 65_536) / BLOCK_SIZE - BLOCKS_MAX + 1);
    expect(scanFacts(kernel)).toMatchObject({ model: "m", messageCount: 1 });
    expect(kernel.bytes.subarray(behind, behind + 16)).toEqual(new Uint8Array(16).fill(0xcc));
  });
});
