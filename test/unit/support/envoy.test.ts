/** How the end-to-end tests find Envoy, with stand-ins that only know `--version`. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findEnvoy } from "../../support/envoy.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "magpie-find-envoy-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(name: string, output: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, `#!/bin/sh\necho '${output}'\n`);
  chmodSync(file, 0o755);
  return file;
}

const VERSION_LINE = "envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL";

it("ENVOY_BIN comes first", () => {
  const chosen = program("my-envoy", VERSION_LINE.replace("1.40.0", "1.39.2"));
  program("envoy", VERSION_LINE);
  expect(findEnvoy({ ENVOY_BIN: chosen, PATH: folder })).toEqual({ path: chosen, version: "1.39.2" });
});

it("ENVOY_BIN that is no Envoy is an error, not a reason to take another one", () => {
  program("envoy", VERSION_LINE);
  const other = program("other", "other version 3");
  expect(() => findEnvoy({ ENVOY_BIN: other, PATH: folder })).toThrow(`ENVOY_BIN is ${other}`);
  expect(() => findEnvoy({ ENVOY_BIN: path.join(folder, "none"), PATH: folder })).toThrow("does not run as Envoy");
});

it("without ENVOY_BIN the first Envoy of the PATH is taken", () => {
  const file = program("envoy", VERSION_LINE);
  expect(findEnvoy({ PATH: ["", path.join(folder, "empty"), folder].join(path.delimiter) })).toEqual({
    path: file,
    version: "1.40.0",
  });
});
