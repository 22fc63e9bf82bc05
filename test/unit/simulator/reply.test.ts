import { describe, expect, test } from "vitest";
import { drawReply } from "../../../src/simulator/reply.ts";

const LIMITS = { cutoffTokens: 1000, replyTokensMin: 10, replyTokensMax: 20, ignoresEnd: false };

function ask(question: string, fields: Partial<typeof LIMITS> & { seed?: number; model?: string } = {}) {
  return drawReply(fields.seed ?? 5, fields.model ?? "m", Buffer.from(question), { ...LIMITS, ...fields });
}

describe("a reply", () => {
  test("is made of tokens of four ASCII characters", () => {
    const { text, tokenCount } = ask("why?");
    expect(text).toMatch(/^([a-z]{3} )+$/);
    expect(text.length).toBe(4 * tokenCount);
  });

  test("depends on seed, model and prompt, and on nothing else", () => {
    expect(ask("why?")).toEqual(ask("why?"));
    const texts = [ask("why?"), ask("how?"), ask("why?", { seed: 6 }), ask("why?", { model: "n" })].map(
      ({ text }) => text,
    );
    expect(new Set(texts).size).toBe(texts.length);
  });

  test("takes every length of its range, and no other", () => {
    const lengths = new Set(Array.from({ length: 500 }, (_, index) => ask(`question ${index}`).tokenCount));
    expect([...lengths].sort((left, right) => left - right)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  });

  test("ends by itself at its drawn length, or at the cut-off when that comes first", () => {
    const drawn = ask("why?").tokenCount;
    expect(ask("why?").finishReason).toBe("stop");
    expect(ask("why?", { cutoffTokens: drawn })).toMatchObject({ tokenCount: drawn, finishReason: "stop" });
    expect(ask("why?", { cutoffTokens: drawn - 1 })).toMatchObject({ tokenCount: drawn - 1, finishReason: "length" });
  });

  test("goes on to the cut-off when asked to ignore its end", () => {
    expect(ask("why?", { ignoresEnd: true, cutoffTokens: 300 })).toMatchObject({
      tokenCount: 300,
      finishReason: "length",
    });
  });

  test("that is cut off begins like the one that is not", () => {
    expect(ask("why?").text.startsWith(ask("why?", { cutoffTokens: 5 }).text)).toBe(true);
  });
});
