import { describe, expect, it } from "vitest";
import { countStreams } from "../../../src/extproc/counted-streams.ts";
import type { CloseReason, ExtProcHandler, ExtProcStream } from "../../../src/extproc/transport/transport.ts";

interface Bed {
  readonly handler: ExtProcHandler;
  /** The stream as the conversation sees it. */
  readonly seen: ExtProcStream;
  /** What reached the conversation and the transport, and the codes that were counted. */
  readonly log: string[];
}

function bed(): Bed {
  const log: string[] = [];
  let seen: ExtProcStream | undefined;
  const open = countStreams(
    (stream) => {
      seen = stream;
      return {
        onMessage: (message) => log.push(`message ${message.toString()}`),
        onMessagePiece: (bytes, left) => log.push(`piece ${bytes.toString()}, ${left} left`),
        onHalfClose: () => log.push("half close"),
        onReady: () => log.push("ready"),
        onClose: (reason) => log.push(`close ${reason}`),
      };
    },
    () => {
      log.push("opened");
      return (code) => log.push(code);
    },
  );
  const handler = open({
    send: (message) => log.push(`sent ${message.toString()}`),
    requestReady: () => log.push("ready is asked for"),
    end: () => log.push("end"),
    fail: (message) => log.push(`fail ${message}`),
  });
  if (seen === undefined) throw new Error("no conversation was opened");
  return { handler, seen, log };
}

describe("a counted stream", () => {
  it("passes everything on, both ways", () => {
    const { handler, seen, log } = bed();
    handler.onMessage(Buffer.from("in"));
    seen.send(Buffer.from("out"));
    handler.onHalfClose();
    seen.end();
    handler.onClose("ended");
    expect(log).toEqual(["opened", "message in", "sent out", "half close", "end", "close ended", "OK"]);
  });

  it.each<[CloseReason, string]>([
    ["ended", "OK"],
    ["cancelled", "Canceled"],
  ])("that is %s counts as %s", (reason, code) => {
    const { handler, log } = bed();
    handler.onClose(reason);
    expect(log.at(-1)).toBe(code);
  });

  it("that failed counts as Unknown, however it is closed", () => {
    const { handler, seen, log } = bed();
    seen.fail("malformed");
    handler.onClose("cancelled");
    expect(log).toEqual(["opened", "fail malformed", "close cancelled", "Unknown"]);
  });
});
