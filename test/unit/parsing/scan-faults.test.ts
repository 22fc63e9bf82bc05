import { describe, expect, it } from "vitest";
import { refuseBody } from "../../../src/parsing/scan-faults.ts";
import { layout } from "../../../src/wasm/layout.ts";

describe("the refusal of a body", () => {
  it.each([
    [layout.SCAN_NOT_JSON, "is not JSON"],
    [layout.SCAN_CUT, "ends in the middle of its JSON document"],
    [layout.SCAN_TOO_DEEP, "nests more than 1024 arrays and objects"],
    [layout.SCAN_NOT_AN_OBJECT, "is not a JSON object"],
    [layout.SCAN_MODEL_TOO_LONG, "has a model name of more than 256 bytes"],
    [layout.SCAN_SALT_TOO_LONG, "has a cache_salt of more than 256 bytes"],
    [layout.SCAN_WRONG_TYPE, "has a field of the wrong type"],
  ])("result %i says that it %s, and at which byte", (result, words) => {
    const error = refuseBody({ result, offset: 17 });
    expect(error).toMatchObject({
      code: "BadRequest",
      httpStatus: 400,
      droppedReason: undefined,
      message: `request body ${words} (at byte 17)`,
    });
  });

  it("each result of the scanner that ends a request has words of its own", () => {
    const results = Object.entries(layout).filter(
      ([name, value]) => name.startsWith("SCAN_") && value > layout.SCAN_DONE,
    );
    const words = results.map(([, result]) => refuseBody({ result, offset: 0 }).message);
    expect(new Set(words).size).toBe(results.length);
  });
});
