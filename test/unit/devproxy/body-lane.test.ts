/** Back-pressure and bounds of one direction, with a source and a sink that do as the test says. */
import { EventEmitter } from "node:events";
import type { IncomingMessage, OutgoingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { BodyLane, RETAINED_SIZE_MAX } from "../../../src/devproxy/body-lane.ts";
import { decodeProcessingRequest } from "../../../src/wire/ext-proc/request-decoder.ts";

class FakeSource extends EventEmitter {
  readonly headers: Record<string, string> = { "transfer-encoding": "chunked" };
  rawTrailers: string[] = [];
  isPaused = false;
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
}

class FakeSink extends EventEmitter {
  hasRoom = true;
  written = "";
  hasEnded = false;
  write(chunk: Buffer): boolean {
    this.written += chunk.toString();
    return this.hasRoom;
  }
  end(): void {
    this.hasEnded = true;
  }
}

interface LaneBed {
  readonly lane: BodyLane;
  readonly source: FakeSource;
  readonly sink: FakeSink;
  /** What the picker was sent. */
  readonly sent: string[];
  pickerHasRoom: boolean;
  drains: number;
}

function laneBed(headers: Record<string, string> = {}): LaneBed {
  const source = new FakeSource();
  Object.assign(source.headers, headers);
  if ("content-length" in headers) delete source.headers["transfer-encoding"];
  const sent: string[] = [];
  const send = (message: Buffer): boolean => {
    const decoded = decodeProcessingRequest(message);
    const body = "body" in decoded ? ` ${decoded.body}` : "";
    sent.push(`${decoded.kind}${body}${"endOfStream" in decoded && decoded.endOfStream ? " end" : ""}`);
    return bed.pickerHasRoom;
  };
  const sink = new FakeSink();
  const lane = new BodyLane("request", source as unknown as IncomingMessage, send);
  const bed: LaneBed = { lane, source, sink, sent, pickerHasRoom: true, drains: 0 };
  lane.start();
  return bed;
}

function attach(bed: LaneBed): void {
  bed.lane.attachSink(bed.sink as unknown as OutgoingMessage, () => bed.drains++);
}

describe("a body lane", () => {
  it("stops the source while the picker takes no more", () => {
    const bed = laneBed();
    bed.pickerHasRoom = false;
    bed.source.emit("data", Buffer.from("a"));
    expect(bed.source.isPaused).toBe(true);
    bed.lane.resume("picker");
    expect(bed.source.isPaused).toBe(false);
  });

  it("lets the source go on only when both picker and sink have room", () => {
    const bed = laneBed();
    attach(bed);
    bed.lane.pause("picker");
    bed.lane.pause("sink");
    bed.sink.emit("drain");
    expect(bed.source.isPaused).toBe(true);
    bed.lane.resume("picker");
    expect([bed.source.isPaused, bed.drains]).toEqual([false, 1]);
  });

  it("says when the sink is full", () => {
    const bed = laneBed();
    attach(bed);
    expect(bed.lane.deliver(Buffer.from("a"), false)).toBe(true);
    bed.sink.hasRoom = false;
    expect(bed.lane.deliver(Buffer.from("b"), false)).toBe(false);
    expect([bed.sink.written, bed.lane.sinkSize]).toEqual(["ab", 2]);
  });

  it("ends the sink once, and writes nothing after", () => {
    const bed = laneBed();
    attach(bed);
    bed.lane.deliver(Buffer.from("a"), true);
    bed.lane.deliver(Buffer.from("b"), true);
    expect([bed.sink.written, bed.sink.hasEnded, bed.lane.hasSinkEnded]).toEqual(["a", true, true]);
  });

  it("goes on without the picker with the bytes that it had sent to it", () => {
    const bed = laneBed();
    bed.source.emit("data", Buffer.from("a"));
    bed.pickerHasRoom = false;
    bed.source.emit("data", Buffer.from("b"));
    attach(bed);
    bed.lane.goDirect();
    expect([bed.sink.written, bed.source.isPaused]).toEqual(["ab", false]);
    bed.sink.hasRoom = false;
    bed.source.emit("data", Buffer.from("c"));
    expect(bed.source.isPaused).toBe(true);
    bed.sink.emit("drain");
    expect(bed.source.isPaused).toBe(false);
    bed.source.emit("end");
    expect([bed.sink.written, bed.sink.hasEnded, bed.sent.length]).toEqual(["abc", true, 2]);
  });

  it("goes on without the picker after the source has ended", () => {
    const bed = laneBed();
    bed.source.emit("data", Buffer.from("a"));
    bed.source.emit("end");
    attach(bed);
    bed.lane.goDirect();
    expect([bed.sink.written, bed.sink.hasEnded]).toEqual(["a", true]);
  });

  it("keeps RETAINED_SIZE_MAX bytes and not one more", () => {
    const bed = laneBed();
    bed.source.emit("data", Buffer.alloc(RETAINED_SIZE_MAX));
    expect(bed.lane.canGoDirect).toBe(true);
    bed.source.emit("data", Buffer.alloc(1));
    expect(bed.lane.canGoDirect).toBe(false);
  });

  it("keeps nothing after it has been released", () => {
    const bed = laneBed();
    bed.lane.release();
    bed.source.emit("data", Buffer.from("a"));
    expect(bed.lane.canGoDirect).toBe(false);
  });

  it("forgets what comes after it has been told to discard", () => {
    const bed = laneBed();
    attach(bed);
    bed.lane.pause("picker");
    bed.lane.discard();
    bed.source.emit("data", Buffer.from("a"));
    bed.source.emit("end");
    expect([bed.sent, bed.sink.written, bed.source.isPaused]).toEqual([[], "", false]);
  });

  it("marks the last byte of a known size, and sends no empty end", () => {
    const bed = laneBed({ "content-length": "3" });
    bed.source.emit("data", Buffer.from("ab"));
    bed.source.emit("data", Buffer.from("c"));
    bed.source.emit("end");
    expect(bed.sent).toEqual(["requestBody ab", "requestBody c end"]);
  });

  it("marks only the last piece of a chunk that it cuts", () => {
    const bed = laneBed({ "content-length": "65537" });
    bed.source.emit("data", Buffer.alloc(65_537, "x"));
    expect(bed.sent.map((text) => [text.length - "requestBody ".length, text.endsWith(" end")])).toEqual([
      [65_536, false],
      [5, true],
    ]);
  });

  it("sends trailers in the place of an end", () => {
    const bed = laneBed();
    bed.source.emit("data", Buffer.from("a"));
    bed.source.rawTrailers = ["X-Sum", "1"];
    bed.source.emit("end");
    expect(bed.sent).toEqual(["requestBody a", "requestTrailers"]);
  });
});
