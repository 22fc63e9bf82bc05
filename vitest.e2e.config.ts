/** End-to-end tests: the built program behind a real Envoy, one file after the other. */
import { defineConfig, type ViteUserConfig } from "vitest/config";

const isSkipped = process.env["MAGPIE_SKIP_ENVOY"] === "1";
if (isSkipped) console.log("MAGPIE_SKIP_ENVOY=1: no end-to-end test runs");

const config: ViteUserConfig = defineConfig({
  test: {
    include: isSkipped ? [] : ["test/e2e/**/*.test.ts"],
    passWithNoTests: isSkipped,
    globalSetup: isSkipped ? [] : ["test/support/envoy-setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});

export default config;
