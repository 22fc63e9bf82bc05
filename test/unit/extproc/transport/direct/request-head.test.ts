import { describe, expect, it } from "vitest";
import { RequestHead, timeoutMs } from "../../../../../src/extproc/transport/direct/request-head.ts";

type Fields = readonly (readonly [string, string])[];

const PSEUDO: Fields = [
  [":method", "POST"],
  [":scheme", "https"],
  [":path", "/a/b"],
  [":authority", "picker"],
];

function headOf(fields: Fields, head: RequestHead = new RequestHead()): RequestHead {
  head.reset();
  for (const [name, value] of fields) head.visit(name, value);
  head.finish();
  return head;
}

describe("a request's head", () => {
  it("holds what a gRPC client asks for", () => {
    const head = headOf([
      ...PSEUDO,
      ["content-type", "application/grpc+proto"],
      ["grpc-timeout", "5S"],
      ["te", "trailers"],
    ]);
    expect(head).toMatchObject({ method: "POST", path: "/a/b", contentType: "application/grpc+proto", timeout: "5S" });
    expect([head.fault, head.hasPseudo]).toEqual([undefined, true]);
  });

  it("has nothing left of the one before", () => {
    const head = headOf([...PSEUDO, ["connection", "close"], ["grpc-timeout", "1S"], ["content-type", "a"]]);
    expect(head.fault).toBeDefined();
    expect(headOf([], head)).toMatchObject({ method: "", path: "", contentType: "", timeout: "", hasPseudo: false });
    expect(headOf(PSEUDO, head).fault).toBeUndefined();
  });

  it.each(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"])(
    "has no header %s",
    (name) => {
      expect(headOf([...PSEUDO, [name, "a"]]).fault).toBe(`the header ${name} belongs to HTTP/1`);
    },
  );

  it.each<[string, Fields]>([
    ["two methods", [...PSEUDO, [":method", "POST"]]],
    ["two paths", [[":path", "/"], ...PSEUDO]],
    ["two schemes", [[":scheme", "http"], ...PSEUDO]],
    ["the pseudo-header :path follows other headers", [...PSEUDO.slice(0, 2), ["a", "b"], [":path", "/"]]],
    ["the pseudo-header :status is unknown", [...PSEUDO, [":status", "200"]]],
    ["the header X-a is not in lower case", [...PSEUDO, ["X-a", ""]]],
    ["te: gzip", [...PSEUDO, ["te", "gzip"]]],
    ["a request lacks a pseudo-header", PSEUDO.slice(1)],
  ])("is at fault: %s", (fault, fields) => {
    expect(headOf(fields).fault).toBe(fault);
  });
});

describe("a timeout", () => {
  it.each([
    ["0n", 0],
    ["1n", 1e-6],
    ["20u", 0.02],
    ["99999999m", 99_999_999],
    ["3S", 3_000],
    ["2M", 120_000],
    ["1H", 3_600_000],
  ])("of %s is %d ms", (value, ms) => {
    expect(timeoutMs(value)).toBeCloseTo(ms, 9);
  });

  it.each(["", "5", "S", "5s", "-1S", "1.5S", "123456789S", "1S ", "0x1S"])("that is '%s' is none", (value) => {
    expect(timeoutMs(value)).toBeUndefined();
  });
});
