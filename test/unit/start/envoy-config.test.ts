import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { envoyConfig, type ResponseBodies } from "../../../src/start/envoy-config.ts";

const SHIPPED: Readonly<Record<ResponseBodies, string>> = {
  shown: "envoy.yaml",
  hidden: "envoy-skip.yaml",
  chosen: "envoy-choose.yaml",
};

it.each(Object.entries(SHIPPED))(
  "with bodies of responses %s, the configuration is deploy/envoy/%s",
  (bodies, file) => {
    const shipped: unknown = parse(readFileSync(new URL(`../../../deploy/envoy/${file}`, import.meta.url), "utf8"));
    const picker = { host: "127.0.0.1", port: 9002 };
    const responseBodies = bodies as ResponseBodies;
    const given = { host: "127.0.0.1", port: 8080, adminPort: 9901, picker, isPickerSecure: true };
    expect(shipped).toEqual(envoyConfig({ ...given, responseBodies }));
  },
);
