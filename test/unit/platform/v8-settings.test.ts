import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { IDLE_COLLECTIONS_OFF } from "../../../src/platform/v8-settings.ts";

it("this Node knows the flag, and it is not off by itself: an unknown one would be passed over in silence", () => {
  const known = execFileSync(process.execPath, ["--v8-options"], { encoding: "utf8" });
  const name = IDLE_COLLECTIONS_OFF.replace("--no-", "");
  expect(known).toContain(`  --${name} (`);
  expect(known).toContain(`default: --${name}\n`);
});
