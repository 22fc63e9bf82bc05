import { describe, expect, it } from "vitest";
import {
  findHeader,
  findHeaders,
  forEachHeader,
  HEADERS_MAX,
  type HeaderBytes,
  HeaderNames,
  type HeaderPair,
} from "../../../../src/wire/ext-proc/header-map.ts";
import { decodeProcessingRequest } from "../../../../src/wire/ext-proc/request-decoder.ts";
import { encodeProcessingRequest } from "../../../../src/wire/ext-proc/request-encoder.ts";
import { WireError } from "../../../../src/wire/wire-error.ts";
import { requestOracle } from "../../../support/ext-proc-oracle.ts";

function headersOf(message: Buffer): HeaderBytes {
  const decoded = decodeProcessingRequest(message);
  if (!("headers" in decoded)) throw new Error(`a ${decoded.kind} has no headers`);
  return decoded.headers;
}

function headerBytes(...headers: HeaderPair[]): HeaderBytes {
  return headersOf(encodeProcessingRequest({ kind: "requestHeaders", headers }));
}

/** Headers with both value fields, as only a foreign encoder writes them. */
function oracleHeaders(...headers: Record<string, unknown>[]): HeaderBytes {
  return headersOf(requestOracle.encode({ requestHeaders: { headers: { headers } } }));
}

describe("findHeader", () => {
  it("gives the value of a header", () => {
    const headers = headerBytes({ name: ":path", value: "/v1/completions" }, { name: "accept", value: "*/*" });
    expect(findHeader(headers, "accept")).toBe("*/*");
  });

  it("gives undefined for a header that is not there", () => {
    expect(findHeader(headerBytes({ name: "accept", value: "*/*" }), "accepts")).toBeUndefined();
  });

  it("gives an empty string for a header without a value", () => {
    expect(findHeader(headerBytes({ name: "accept", value: "" }), "accept")).toBe("");
  });

  it("gives the last of several headers of one name", () => {
    const headers = headerBytes({ name: "a", value: "1" }, { name: "b", value: "2" }, { name: "a", value: "3" });
    expect(findHeader(headers, "a")).toBe("3");
  });

  it("matches a name that came in upper case", () => {
    expect(findHeader(headerBytes({ name: "X-Request-ID", value: "7" }), "x-request-id")).toBe("7");
  });

  it("does not take the neighbours of the letters for letters", () => {
    // 0x40 and 0x5b lie next to A and Z, and 32 below 0x60 and 0x7b.
    expect(findHeader(headerBytes({ name: "@[", value: "1" }), "`{")).toBeUndefined();
  });

  it("reads UTF-8, and U+FFFD for bytes that are none", () => {
    const headers = headerBytes({ name: "a", value: "é" }, { name: "b", value: Buffer.from([0x61, 0xff]) });
    expect([findHeader(headers, "a"), findHeader(headers, "b")]).toEqual(["é", "a\ufffd"]);
  });

  it.each([
    ["raw_value over value", { key: "a", value: "text", rawValue: Buffer.from("raw") }, "raw"],
    ["value over an empty raw_value", { key: "a", value: "text", rawValue: Buffer.alloc(0) }, "text"],
    ["value where there is no raw_value", { key: "a", value: "text" }, "text"],
  ])("prefers %s", (_, header, expected) => {
    expect(findHeader(oracleHeaders(header), "a")).toBe(expected);
  });

  it("prefers raw_value whatever the order of the fields", () => {
    const header = Buffer.from([0x1a, 3, ...Buffer.from("raw"), 0x12, 4, ...Buffer.from("text"), 0x0a, 1, 0x61]);
    const map = [0x0a, header.length, ...header];
    const httpHeaders = [0x0a, map.length, ...map];
    expect(findHeader(headersOf(Buffer.from([0x12, httpHeaders.length, ...httpHeaders])), "a")).toBe("raw");
  });

  it("finds nothing in a message without headers", () => {
    expect(findHeader(headersOf(Buffer.from([0x12, 0])), "a")).toBeUndefined();
  });
});

describe("findHeaders", () => {
  it("gives the values in the order of the names", () => {
    const headers = headerBytes(
      { name: "b", value: "2" },
      { name: "long-name", value: "3" },
      { name: "a", value: "1" },
    );
    expect(findHeaders(headers, new HeaderNames(["a", "b", "c", "long-name"]))).toEqual(["1", "2", undefined, "3"]);
  });

  it("gives what findHeader gives for each name", () => {
    const names = ["a", "b", "x-request-id", ":path"];
    const headers = headerBytes(
      { name: "a", value: "1" },
      { name: "X-Request-Id", value: "2" },
      { name: "a", value: "3" },
      { name: "", value: "nameless" },
    );
    expect(findHeaders(headers, new HeaderNames(names))).toEqual(names.map((name) => findHeader(headers, name)));
  });
});

describe("forEachHeader", () => {
  it("visits every header in order, repeated ones and nameless ones too", () => {
    const visited: string[] = [];
    forEachHeader(
      headerBytes({ name: "B", value: "1" }, { name: "", value: "2" }, { name: "B", value: "" }),
      (name, value) => visited.push(`${name}=${value}`),
    );
    expect(visited).toEqual(["B=1", "=2", "B="]);
  });
});

describe("HEADERS_MAX", () => {
  const many = (count: number): HeaderBytes =>
    headerBytes(...new Array<HeaderPair>(count).fill({ name: "a", value: "" }));

  it("lets the largest message pass", () => {
    expect(findHeader(many(HEADERS_MAX), "a")).toBe("");
  });

  it("refuses a header more", () => {
    expect(() => findHeader(many(HEADERS_MAX + 1), "a")).toThrow(WireError);
  });
});
