import { expect, it } from "vitest";
import { foreignProtocol } from "../../../../../src/extproc/transport/direct/preface.ts";

it.each([
  ["a TLS handshake", Buffer.from("16030100c2010000be0303", "hex"), "the client speaks TLS"],
  ["HTTP/1.1", Buffer.from("GET / HTTP/1.1\r\nhost: picker\r\n\r\n"), "the client speaks HTTP/1.1"],
  ["another method of HTTP/1.1", Buffer.from("OPTIONS * HTTP/1.1\r\n"), "the client speaks HTTP/1.1"],
  ["random bytes", Buffer.from("00ff00ff", "hex"), "the client does not speak HTTP/2"],
  ["nothing that can be told", Buffer.from("GE"), "the client does not speak HTTP/2"],
])("a client that begins with %s is told apart", (_what, bytes, says) => {
  expect(foreignProtocol(bytes).startsWith(says)).toBe(true);
});
