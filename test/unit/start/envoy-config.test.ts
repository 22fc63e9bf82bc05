import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { envoyConfig } from "../../../src/start/envoy-config.ts";

it("the Envoy configuration in deploy/ is the one that npm start uses", () => {
  const shipped: unknown = parse(readFileSync(new URL("../../../deploy/envoy/envoy.yaml", import.meta.url), "utf8"));
  const picker = { host: "127.0.0.1", port: 9002 };
  expect(shipped).toEqual(
    envoyConfig({ host: "127.0.0.1", port: 8080, adminPort: 9901, picker, isPickerSecure: true }),
  );
});
