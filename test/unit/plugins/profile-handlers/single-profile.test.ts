import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../../src/base/errors.ts";
import { singleProfileHandler } from "../../../../src/plugins/profile-handlers/single-profile.ts";
import { createPlugin } from "../../../support/plugins.ts";

describe("single-profile-handler", () => {
  const handler = createPlugin(singleProfileHandler).profileHandler;

  it("takes one profile, whatever its name", () => {
    expect(() => handler?.checkProfiles(["default"])).not.toThrow();
    expect(() => handler?.checkProfiles(["anything"])).not.toThrow();
  });

  it.each([{ names: [] }, { names: ["prefill", "decode"] }])("refuses $names with their number", ({ names }) => {
    expect(() => handler?.checkProfiles(names)).toThrow(ConfigError);
    expect(() => handler?.checkProfiles(names)).toThrow(`schedulingProfiles has ${names.length}: ${names.join(", ")}`);
  });
});
