import { describe, expect, it } from "vitest";
import { type HttpHeader, mutateHeaders, parseDestination, toRawHeaders } from "../../../src/devproxy/http-headers.ts";
import { HEADER_APPEND_ACTION } from "../../../src/wire/ext-proc/fields.ts";
import { decodeProcessingResponse } from "../../../src/wire/ext-proc/response-decoder.ts";
import { encodeHeadersResponse, type HeaderMutation } from "../../../src/wire/ext-proc/response-encoder.ts";

/** The headers after a mutation that has gone over the wire. */
function mutated(headers: readonly HttpHeader[], mutation: HeaderMutation): HttpHeader[] {
  const decoded = decodeProcessingResponse(encodeHeadersResponse("request", mutation));
  if (!("common" in decoded)) throw new Error(decoded.kind);
  return mutateHeaders(headers, decoded.common.headerMutation);
}

describe("mutateHeaders", () => {
  const headers: HttpHeader[] = [
    [":path", "/a"],
    ["a", "1"],
    ["b", "2"],
    ["a", "3"],
  ];
  const { addIfAbsent, overwriteIfExists, overwriteIfExistsOrAdd } = HEADER_APPEND_ACTION;

  it.each<[what: string, mutation: HeaderMutation, expected: string]>([
    [
      "overwrites all of a name, in the first one's place",
      { setHeaders: [{ name: "a", value: "x" }] },
      ":path=/a a=x b=2",
    ],
    ["adds what is not there", { setHeaders: [{ name: "c", value: "x" }] }, ":path=/a a=1 b=2 a=3 c=x"],
    [
      "appends where it is told to",
      { setHeaders: [{ name: "a", value: "x", append: true }] },
      ":path=/a a=1 b=2 a=3 a=x",
    ],
    [
      "overwrites where it is told not to append",
      { setHeaders: [{ name: "b", value: "x", append: false }] },
      ":path=/a a=1 b=x a=3",
    ],
    [
      "adds if absent",
      { setHeaders: [{ name: "c", value: "x", appendAction: addIfAbsent }] },
      ":path=/a a=1 b=2 a=3 c=x",
    ],
    [
      "does not add if present",
      { setHeaders: [{ name: "b", value: "x", appendAction: addIfAbsent }] },
      ":path=/a a=1 b=2 a=3",
    ],
    [
      "overwrites if present",
      { setHeaders: [{ name: "b", value: "x", appendAction: overwriteIfExists }] },
      ":path=/a a=1 b=x a=3",
    ],
    [
      "does not overwrite if absent",
      { setHeaders: [{ name: "c", value: "x", appendAction: overwriteIfExists }] },
      ":path=/a a=1 b=2 a=3",
    ],
    [
      "puts the action before append",
      { setHeaders: [{ name: "b", value: "x", append: true, appendAction: overwriteIfExistsOrAdd }] },
      ":path=/a a=1 b=x a=3",
    ],
    ["removes all of a name", { removeHeaders: ["A"] }, ":path=/a b=2"],
    ["removes before it sets", { removeHeaders: ["a"], setHeaders: [{ name: "a", value: "x" }] }, ":path=/a b=2 a=x"],
    ["changes the path", { setHeaders: [{ name: ":path", value: "/b" }] }, ":path=/b a=1 b=2 a=3"],
    ["does not remove the path", { removeHeaders: [":path"] }, ":path=/a a=1 b=2 a=3"],
    ["takes upper case for lower case", { setHeaders: [{ name: "B", value: "x" }] }, ":path=/a a=1 b=x a=3"],
  ])("%s", (_, mutation, expected) => {
    expect(
      mutated(headers, mutation)
        .map((header) => header.join("="))
        .join(" "),
    ).toBe(expected);
  });

  it.each([":method", ":scheme", ":authority", "host"])("leaves %s alone", (name) => {
    const own: HttpHeader[] = [[name, "mine"]];
    expect(mutated(own, { setHeaders: [{ name, value: "x" }], removeHeaders: [name] })).toEqual(own);
  });

  it("keeps bytes that are not ASCII as one character each", () => {
    expect(mutated([], { setHeaders: [{ name: "a", value: Buffer.from([0xfc, 0xff]) }] })).toEqual([
      ["a", "\u00fc\u00ff"],
    ]);
  });
});

describe("toRawHeaders", () => {
  it("leaves out pseudo headers and those of the connection", () => {
    const kept: HttpHeader[] = [["content-type", "a"]];
    const left = [":path", "connection", "transfer-encoding", "upgrade", "keep-alive", "te", "trailer", "expect"];
    expect(toRawHeaders([...left.map((name): HttpHeader => [name, "x"]), ...kept])).toEqual(["content-type", "a"]);
  });
});

describe("parseDestination", () => {
  it.each([
    ["10.0.0.1:8000", { host: "10.0.0.1", port: 8000 }],
    ["[2001:db8::1]:8000", { host: "2001:db8::1", port: 8000 }],
    ["10.0.0.1:8000,10.0.0.2:8000", { host: "10.0.0.1", port: 8000 }],
    [" 10.0.0.1:8000 , x", { host: "10.0.0.1", port: 8000 }],
    ["10.0.0.1:65535", { host: "10.0.0.1", port: 65_535 }],
    ["10.0.0.1:65536", undefined],
    ["10.0.0.1:0", undefined],
    ["10.0.0.1", undefined],
    ["10.0.0.256:80", undefined],
    ["2001:db8::1:8000", undefined],
    ["model-server:8000", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("of %s is %o", (list, expected) => {
    expect(parseDestination(list)).toEqual(expected);
  });
});
