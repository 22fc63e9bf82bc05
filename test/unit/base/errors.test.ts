import { describe, expect, it } from "vitest";
import { ConfigError, EppError, ERROR_KINDS, type ErrorCode, messageOf } from "../../../src/base/errors.ts";

describe("operating errors", () => {
  // Statuses of the Go picker, which clients and alerts know; 413 is this picker's own.
  it.each<[ErrorCode, number]>([
    ["BadRequest", 400],
    ["PayloadTooLarge", 413],
    ["ResourceExhausted", 429],
    ["Internal", 500],
    ["ServiceUnavailable", 503],
    ["PreconditionFailed", 412],
    ["Unauthorized", 401],
    ["Forbidden", 403],
    ["NotFound", 404],
  ])("%s is answered with %i", (code, status) => {
    expect(new EppError(code, "why").httpStatus).toBe(status);
  });

  it("each code says in a sentence when it is used", () => {
    for (const { when } of Object.values(ERROR_KINDS)) expect(when).toMatch(/^[A-Z].*\.$/);
    expect(Object.keys(ERROR_KINDS)).toHaveLength(9);
  });

  it("an error keeps its reason and its cause, and has neither unless given", () => {
    const cause = new Error("below");
    const full = new EppError("ResourceExhausted", "full", { droppedReason: "rejected-saturated", cause });
    expect(full).toMatchObject({ name: "EppError", message: "full", droppedReason: "rejected-saturated", cause });
    const bare = new EppError("Internal", "bare");
    expect(bare.droppedReason).toBeUndefined();
    expect("cause" in bare).toBe(false);
  });

  it.each([
    { thrown: new ConfigError("no such file"), message: "no such file" },
    { thrown: "a text", message: "a text" },
    { thrown: undefined, message: "undefined" },
    { thrown: 7, message: "7" },
  ])("the message of $thrown is $message", ({ thrown, message }) => {
    expect(messageOf(thrown)).toBe(message);
  });
});
