import { describe, expect, it } from "vitest";
import { ConnectionError } from "../../../../../src/extproc/transport/direct/protocol-error.ts";
import { ownSettings, readStreamWindow } from "../../../../../src/extproc/transport/direct/settings.ts";
import { ERROR_CODE, FRAME_HEAD_SIZE, SETTING, settingsFrame } from "../../../../../src/wire/http2/frame.ts";

function payloadOf(...settings: readonly (readonly [number, number])[]): Buffer {
  // One after the other: a map would hold each of them once.
  return Buffer.concat(settings.map((setting) => settingsFrame(new Map([setting])).subarray(FRAME_HEAD_SIZE)));
}

describe("the settings of a client", () => {
  it.each([
    ["nothing", payloadOf(), undefined],
    ["a window", payloadOf([SETTING.initialWindowSize, 7]), 7],
    ["the largest window", payloadOf([SETTING.initialWindowSize, 2 ** 31 - 1]), 2 ** 31 - 1],
    ["two windows, of which the last counts", payloadOf([4, 1], [SETTING.maxConcurrentStreams, 9], [4, 2]), 2],
    ["what is unknown", payloadOf([0x4242, 0xffff_ffff]), undefined],
    ["a table of any size", payloadOf([SETTING.headerTableSize, 0xffff_ffff]), undefined],
    ["frames of the smallest and largest size", payloadOf([5, 16_384], [5, 0xff_ffff]), undefined],
  ])("may say %s", (_what, payload, window) => {
    expect(readStreamWindow(payload)).toBe(window);
  });

  it.each([
    ["ENABLE_PUSH", 2, 2, ERROR_CODE.protocolError],
    ["MAX_FRAME_SIZE", 5, 16_383, ERROR_CODE.protocolError],
    ["MAX_FRAME_SIZE", 5, 2 ** 24, ERROR_CODE.protocolError],
    ["INITIAL_WINDOW_SIZE", 4, 2 ** 31, ERROR_CODE.flowControlError],
    ["INITIAL_WINDOW_SIZE", 4, 2 ** 32 - 1, ERROR_CODE.flowControlError],
  ])("may not say %s (%d) = %d, even before a value that is right", (name, id, value, code) => {
    const read = (): unknown => readStreamWindow(payloadOf([id, value], [id, 65_535]));
    expect(read).toThrow(new ConnectionError(code, `the setting ${name} is ${value}`));
  });
});

it("what clients are told is their limits, in one frame", () => {
  const bytes = ownSettings(123);
  expect(bytes.readUIntBE(0, 3)).toBe(bytes.length - FRAME_HEAD_SIZE);
  const said = new Map<number, number>();
  for (let at = FRAME_HEAD_SIZE; at < bytes.length; at += 6)
    said.set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
  expect(said).toEqual(
    new Map([
      [SETTING.maxConcurrentStreams, 123],
      [SETTING.initialWindowSize, 1024 * 1024],
      [SETTING.maxHeaderListSize, 64 * 1024],
    ]),
  );
});
