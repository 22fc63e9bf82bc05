import { describe, expect, it } from "vitest";
import { HEADER_LIST_SIZE_MAX, HeaderBlocks } from "../../../../../src/extproc/transport/direct/header-blocks.ts";
import { ConnectionError } from "../../../../../src/extproc/transport/direct/protocol-error.ts";
import { RequestHead } from "../../../../../src/extproc/transport/direct/request-head.ts";
import { ERROR_CODE, FLAG } from "../../../../../src/wire/http2/frame.ts";
import { callHeaders } from "../../../../support/http2-peer.ts";

const { endHeaders, endStream, padded, priority } = FLAG;
const BLOCK = callHeaders("/a/b");
const PRIORITY = Buffer.from([0x80, 0, 0, 3, 15]);

interface Heard {
  readonly streamId: number;
  readonly endsStream: boolean;
  readonly fits: boolean;
  readonly path: string;
}

function newBlocks() {
  const heard: Heard[] = [];
  const head = new RequestHead();
  const blocks = new HeaderBlocks(head, (streamId, endsStream, fits) =>
    heard.push({ streamId, endsStream, fits, path: head.path }),
  );
  /** A HEADERS frame's payload, which lies between other bytes. */
  const begin = (flags: number, streamId: number, payload: Buffer): void =>
    blocks.begin(flags, streamId, Buffer.concat([Buffer.from([1]), payload, Buffer.from([0])]), 1, 1 + payload.length);
  return { blocks, heard, begin };
}

function errorOf(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("header blocks", () => {
  it.each([
    ["alone", 0, BLOCK],
    ["with padding", padded, Buffer.concat([Buffer.from([4]), BLOCK, Buffer.alloc(4)])],
    ["with a priority", priority, Buffer.concat([PRIORITY, BLOCK])],
    ["with both", padded | priority, Buffer.concat([Buffer.from([4]), PRIORITY, BLOCK, Buffer.alloc(4)])],
  ])("that come in one frame, %s, are given at once", (_how, flags, payload) => {
    const { blocks, heard, begin } = newBlocks();
    begin(flags | endHeaders, 1, payload);
    begin(flags | endHeaders | endStream, 5, payload);
    expect(heard).toEqual([
      { streamId: 1, endsStream: false, fits: true, path: "/a/b" },
      { streamId: 5, endsStream: true, fits: true, path: "/a/b" },
    ]);
    expect(blocks.isUnfinished).toBe(false);
  });

  it("that are cut are given when their last frame has come, wherever the cut is", () => {
    for (let cut = 0; cut <= BLOCK.length; cut++) {
      const { blocks, heard, begin } = newBlocks();
      const first = Buffer.from(BLOCK.subarray(0, cut));
      begin(endStream | padded, 7, Buffer.concat([Buffer.from([2]), first, Buffer.alloc(2)]));
      // What is kept is a copy.
      first.fill(0);
      expect([blocks.isUnfinished, heard]).toEqual([true, []]);
      blocks.goOn(0, 7, Buffer.alloc(0));
      blocks.goOn(endHeaders, 7, BLOCK.subarray(cut));
      expect(heard).toEqual([{ streamId: 7, endsStream: true, fits: true, path: "/a/b" }]);
      expect(blocks.isUnfinished).toBe(false);
    }
  });

  it.each([
    ["padded without a length", ERROR_CODE.frameSizeError, padded, Buffer.alloc(0)],
    ["with more padding than there is", ERROR_CODE.protocolError, padded, Buffer.from([2, 0])],
    ["too short for a priority", ERROR_CODE.protocolError, priority, Buffer.alloc(4)],
    ["that depend on themselves", ERROR_CODE.protocolError, priority, Buffer.from([0, 0, 0, 1, 0])],
    ["that cannot be decoded", ERROR_CODE.compressionError, 0, Buffer.from([0x80])],
  ])("%s are errors", (_what, code, flags, payload) => {
    const error = errorOf(() => newBlocks().begin(flags | endHeaders, 1, payload));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ code });
  });

  it("go on in their own stream only, and only when they have begun", () => {
    const { blocks, begin } = newBlocks();
    expect(errorOf(() => blocks.goOn(endHeaders, 1, BLOCK))).toMatchObject({ code: ERROR_CODE.protocolError });
    begin(0, 1, BLOCK);
    expect(errorOf(() => blocks.goOn(endHeaders, 3, BLOCK))).toMatchObject({ code: ERROR_CODE.protocolError });
  });

  it("have a bound on their frames, and on their size", () => {
    const calm = { code: ERROR_CODE.enhanceYourCalm };
    const many = newBlocks();
    many.begin(0, 1, BLOCK);
    for (let count = 0; count < 15; count++) many.blocks.goOn(0, 1, Buffer.alloc(0));
    expect(errorOf(() => many.blocks.goOn(0, 1, Buffer.alloc(0)))).toMatchObject(calm);
    const large = newBlocks();
    large.begin(0, 1, Buffer.alloc(16_384));
    for (let count = 0; count < 3; count++) large.blocks.goOn(0, 1, Buffer.alloc(16_384));
    expect(errorOf(() => large.blocks.goOn(0, 1, Buffer.alloc(1)))).toMatchObject(calm);
  });

  it("whose fields are too many are given as such, and the next one is read", () => {
    const { heard, begin } = newBlocks();
    const value = Buffer.alloc(200, "v");
    // Put into the table, then named so often that all of them are too large together.
    const field = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0x49]), value]);
    const times = Math.ceil(HEADER_LIST_SIZE_MAX / (value.length + 33));
    begin(endHeaders, 1, Buffer.concat([BLOCK, field, Buffer.alloc(times, 0xbe)]));
    begin(endHeaders, 3, BLOCK);
    expect(heard.map(({ fits }) => fits)).toEqual([false, true]);
  });
});
