/** What the headers of a request say about its videos, from the headers that come to the tokens that are charged. */
import { describe, expect, it } from "vitest";
import { type TestShard, type TestStream, testShard } from "../../support/conversation.ts";
import { bodyMessages, requestHeaders } from "../../support/ext-proc-messages.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";
import { configOf } from "../../support/plugins.ts";

type Headers = Readonly<Record<string, string>>;

const SECONDS = "x-llm-d-video-duration-seconds";
const RESOLUTION = "x-llm-d-video-resolution";
const FPS = "x-llm-d-video-fps";
/** Each request has a video of its own: none is held by an endpoint. */
let videos = 0;

function body(): Buffer {
  const content = [{ video_url: { url: `https://videos/${videos++}.mp4` } }];
  return Buffer.from(JSON.stringify({ model: "m", messages: [{ role: "user", content }] }));
}

function open(shard: TestShard, headers: Headers): TestStream {
  const stream = shard.open();
  stream.send(requestHeaders({ more: Object.entries(headers).map(([name, value]) => ({ name, value })) }));
  return stream;
}

/** Tokens that a request with one video is charged, less one for its role. */
function charged(shard: TestShard, headers: Headers = {}): number {
  open(shard, headers).send(...bodyMessages("requestBody", body()));
  shard.turn();
  return (shard.decisions.at(-1)?.pick.promptTokens ?? 0) - 1;
}

describe.each(KERNEL_BUILDS)("videos (%s build)", (build) => {
  it("count by default as 10 s at 2 frames per second of 225 tokens, and by headers as these say", () => {
    const shard = testShard({ build });
    expect(charged(shard)).toBe(4500);
    expect(charged(shard, { [SECONDS]: "3.5" })).toBe(7 * 225);
    expect(charged(shard, { [RESOLUTION]: "320x320" })).toBe(20 * 100);
    expect(charged(shard, { [SECONDS]: "3.5", [RESOLUTION]: "320x320", [FPS]: "60" })).toBe(7 * 100);
    expect(charged(shard, { "X-LLM-D-Video-Duration-Seconds": "1" })).toBe(450);
    expect(charged(shard, { [SECONDS]: "86400", [RESOLUTION]: "3840x2160" })).toBe(16_384);
    // What one request says does not stay for the next one.
    expect(charged(shard)).toBe(4500);
  });

  it.each<Headers>([
    { [SECONDS]: "long" },
    { [SECONDS]: "-1" },
    { [RESOLUTION]: "1080p" },
    { [FPS]: "0", [SECONDS]: "", [RESOLUTION]: "0x0" },
  ])("count as if %j had not been sent", (headers) => {
    const shard = testShard({ build });
    expect(charged(shard, headers)).toBe(4500);
    expect(shard.refusals).toEqual([]);
  });

  it("count by the parameters of the token producer, but for what headers say", () => {
    const tokensPerFrame = { mode: "static", static: { numTokensPerFrame: 16 } };
    const frames = { mode: "strided", strided: { defaultSourceFPS: 10, frameStride: 5 } };
    const parameters = { "token-producer": { estimate: { video: { tokensPerFrame, frames } } } };
    const types = ["single-profile-handler", "token-producer", "prefix-cache-scorer"];
    const shard = testShard({ build, config: configOf(types, { default: ["prefix-cache-scorer"] }, parameters) });
    expect(charged(shard)).toBe(20 * 16);
    expect(charged(shard, { [FPS]: "30" })).toBe(60 * 16);
    expect(charged(shard, { [FPS]: "30", [SECONDS]: "2" })).toBe(12 * 16);
    expect(charged(shard, { [RESOLUTION]: "1920x1080" })).toBe(20 * 16);
  });

  it("of requests that arrive at the same time count each as its own headers say", () => {
    const shard = testShard({ build });
    const lengths = [1, 2, 4];
    const streams = lengths.map((seconds) => open(shard, { [SECONDS]: `${seconds}` }));
    const bodies = lengths.map(() => [...bodyMessages("requestBody", body(), { pieceSize: 40 })]);
    for (let piece = 0; piece < (bodies[0]?.length ?? 0); piece++) {
      for (const [index, stream] of streams.entries()) stream.send(...(bodies[index]?.slice(piece, piece + 1) ?? []));
    }
    shard.turn();
    expect(shard.decisions.map(({ pick }) => pick.promptTokens - 1)).toEqual(lengths.map((seconds) => seconds * 450));
  });

  it("count by headers also where no plugin asks for the tokens of prompts", () => {
    const config = configOf(["single-profile-handler", "queue-scorer"], { default: ["queue-scorer"] });
    const shard = testShard({ build, config });
    expect([charged(shard), charged(shard, { [SECONDS]: "1" })]).toEqual([4500, 450]);
  });
});
