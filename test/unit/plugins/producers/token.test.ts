import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../../src/base/errors.ts";
import { tokenizerProducer, tokenProducer } from "../../../../src/plugins/producers/token.ts";
import { createPlugin, warningsOf } from "../../../support/plugins.ts";

const NO_EFFECT = "has no effect yet, images and videos are counted in the default way: ";

describe("token-producer", () => {
  it.each([
    { name: "nothing given", given: {} },
    { name: "the estimate, by default", given: { estimate: {} } },
    {
      name: "the estimate's defaults, written out",
      given: {
        estimate: {
          image: { mode: "dynamic", defaultResolution: { width: 640, height: 360 }, dynamic: { factor: 1024 } },
          video: {
            tokensPerFrame: { mode: "dynamic", dynamic: { factor: 1024 } },
            frames: { mode: "sampled", minFrames: 0, maxFrames: 0, sampled: { sampleFPS: 2, temporalPatchSize: 1 } },
            defaultResolution: { width: 640, height: 360 },
            defaultDuration: 10,
            maxVideoTokens: 0,
          },
        },
      },
    },
    {
      name: "zeros and empty texts, which are the defaults",
      given: {
        estimate: { image: { mode: "", dynamic: { factor: 0 } }, video: { frames: { sampled: { sampleFPS: 0 } } } },
      },
    },
    {
      name: "parameters of modes that are not used",
      given: {
        estimate: {
          image: { static: { staticToken: 256 } },
          video: { tokensPerFrame: { static: { numTokensPerFrame: 70 } }, frames: { strided: { frameStride: 4 } } },
        },
      },
    },
  ])("$name is done as it says, without a warning", ({ given }) => {
    expect(warningsOf(tokenProducer, given)).toEqual([]);
  });

  it.each([
    {
      given: { estimate: { image: { mode: "static", static: { staticToken: 256 } } } },
      warning: "estimate.image.mode",
    },
    { given: { estimate: { image: { dynamic: { factor: 784 } } } }, warning: "estimate.image.dynamic.factor" },
    {
      given: { estimate: { image: { defaultResolution: { width: 1280, height: 720 } } } },
      warning: "estimate.image.defaultResolution.width, estimate.image.defaultResolution.height",
    },
    {
      given: { estimate: { video: { frames: { mode: "strided", maxFrames: 32 }, maxVideoTokens: 9 } } },
      warning: "estimate.video.frames.mode, estimate.video.frames.maxFrames, estimate.video.maxVideoTokens",
    },
  ])("$given warns that it changes nothing", ({ given, warning }) => {
    expect(warningsOf(tokenProducer, given)).toEqual([NO_EFFECT + warning]);
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
    expect(createPlugin(tokenizerProducer)).toEqual(createPlugin(tokenProducer));
    expect(() => createPlugin(tokenizerProducer, { vllm: {} })).toThrow(ConfigError);
  });
});
