import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../../src/base/errors.ts";
import { tokenizerProducer, tokenProducer } from "../../../../src/plugins/producers/token.ts";
import { ASSETS_DEFAULT } from "../../../support/asset-tokens.ts";
import { createPlugin, warningsOf } from "../../../support/plugins.ts";

describe("token-producer", () => {
  it.each([
    { name: "nothing given", given: {}, counts: ASSETS_DEFAULT },
    { name: "the estimate, by default", given: { estimate: {} }, counts: ASSETS_DEFAULT },
    {
      name: "images by other pixels, videos as they are",
      given: { estimate: { image: { dynamic: { factor: 784 } } } },
      counts: { imageTokenPixels: 784, imageTokens: 293, videoTokens: 4500 },
    },
    {
      name: "videos by other frames, images as they are",
      given: { estimate: { video: { frames: { maxFrames: 4 } } } },
      counts: { imageTokenPixels: 1024, imageTokens: 225, videoTokens: 900 },
    },
  ])("$name says what images and videos count as", ({ given, counts }) => {
    expect(createPlugin(tokenProducer, given).producer?.assetTokens).toMatchObject(counts);
    expect(warningsOf(tokenProducer, given)).toEqual([]);
  });

  it("reads what a request's headers say about its videos", () => {
    const { producer, headers = [] } = createPlugin(tokenProducer);
    const sent = new Map([["x-llm-d-video-duration-seconds", "3"]]);
    const read = new Set<string>();
    const lookUp = (name: string): string | undefined => {
      read.add(name);
      return sent.get(name);
    };
    expect(producer?.assetTokens?.videoTokensOf(lookUp)).toBe(6 * 225);
    // Others would not be there.
    expect(headers.toSorted()).toEqual([...read].toSorted());
  });

  it.each([
    { given: { image: { mode: "static", static: { staticToken: 16_385 } } }, path: "estimate.image" },
    { given: { image: { defaultResolution: { width: 8_192, height: 4_096 } } }, path: "estimate.image" },
    { given: { video: { defaultDuration: 60 } }, path: "estimate.video" },
    { given: { video: { maxVideoTokens: 20_000 } }, path: "estimate.video" },
  ])("$given warns that so many tokens are not counted", ({ given, path }) => {
    expect(warningsOf(tokenProducer, { estimate: given })).toEqual([
      `${path} asks for more tokens than are counted: 16384 at most`,
    ]);
  });

  it("as many tokens as are counted at most are no reason to warn", () => {
    const image = { mode: "static", static: { staticToken: 16_384 } };
    expect(warningsOf(tokenProducer, { estimate: { image, video: { maxVideoTokens: 16_384 } } })).toEqual([]);
  });

  it.each([
    { given: { vllm: { url: "http://localhost:8000" } }, fault: "the back end vllm is known, but not available yet" },
    { given: { modelName: "m" }, fault: "modelName, of the back end vllm, is known, but not available yet" },
    { given: { udsTokenizerConfig: {} }, fault: "the back end udsTokenizerConfig is known, but not available yet" },
  ])("$given is refused as known", ({ given, fault }) => {
    expect(() => createPlugin(tokenProducer, given)).toThrow(ConfigError);
    expect(() => createPlugin(tokenProducer, given)).toThrow(fault);
  });

  it.each([
    { name: "two back ends", given: { estimate: {}, vllm: {} }, at: [] },
    { name: "an unknown mode", given: { estimate: { image: { mode: "fixed" } } }, at: ["estimate", "image", "mode"] },
    {
      name: "a negative count",
      given: { estimate: { video: { frames: { maxFrames: -1 } } } },
      at: ["estimate", "video", "frames", "maxFrames"],
    },
    {
      name: "a part of a frame",
      given: { estimate: { video: { frames: { minFrames: 0.5 } } } },
      at: ["estimate", "video", "frames", "minFrames"],
    },
    { name: "an unknown field", given: { estimate: { picture: {} } }, at: ["estimate"] },
  ])("$name is refused", ({ given, at }) => {
    expect(tokenProducer.parameters.safeParse(given).error?.issues).toMatchObject([{ path: at }]);
  });

  it("its old name does the same", () => {
    expect(tokenizerProducer.type).toBe("tokenizer");
    const given = { estimate: { image: { mode: "static", static: { staticToken: 7 } } } };
    expect(createPlugin(tokenizerProducer, given).producer?.assetTokens).toMatchObject({ imageTokens: 7 });
    expect(() => createPlugin(tokenizerProducer, { vllm: {} })).toThrow(ConfigError);
  });
});
