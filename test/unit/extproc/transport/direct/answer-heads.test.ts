import { expect, it } from "vitest";
import { httpStatus, RESPONSE_HEAD, statusTrailers } from "../../../../../src/extproc/transport/direct/answer-heads.ts";
import { HpackDecoder } from "../../../../../src/wire/http2/hpack-decoder.ts";
import { decodeFields } from "../../../../support/header-blocks.ts";

function fieldsOf(block: Buffer): Record<string, string> {
  return Object.fromEntries(decodeFields(new HpackDecoder(), block));
}

const HEAD = { ":status": "200", "content-type": "application/grpc" };

it("a response begins with its head, once", () => {
  expect(fieldsOf(RESPONSE_HEAD)).toEqual(HEAD);
  expect(fieldsOf(statusTrailers(0, "", true))).toEqual({ "grpc-status": "0" });
  expect(fieldsOf(statusTrailers(0, "", false))).toEqual({ ...HEAD, "grpc-status": "0" });
  expect(fieldsOf(statusTrailers(13, "", true))).toEqual({ "grpc-status": "13" });
  expect(fieldsOf(httpStatus(415))).toEqual({ ":status": "415" });
});

it.each([
  ["plain words.", "plain words."],
  ["100%", "100%25"],
  ["a\r\nb\tc\u007f", "a%0D%0Ab%09c%7F"],
  ["größer", "gr%C3%B6%C3%9Fer"],
  ["🐦", "%F0%9F%90%A6"],
])("the message %j is sent as %s", (message, encoded) => {
  expect(fieldsOf(statusTrailers(2, message, false))).toEqual({ ...HEAD, "grpc-status": "2", "grpc-message": encoded });
  expect(decodeURIComponent(encoded)).toBe(message);
});

it("a long message is cut, so that it fits into a frame", () => {
  for (const letter of ["a", "é", "€", "🐦"]) {
    const block = statusTrailers(2, letter.repeat(100_000), true);
    expect(block.length).toBeLessThan(16_384);
    const { "grpc-message": encoded = "" } = fieldsOf(block);
    expect(new Set(decodeURIComponent(encoded))).toEqual(new Set([letter]));
  }
});
