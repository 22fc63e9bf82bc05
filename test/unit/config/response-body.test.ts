import { expect, it } from "vitest";
import type { EndpointPickerConfig } from "../../../src/config/config.ts";
import { showConfig } from "../../../src/config/show.ts";
import { BUILTIN_REGISTRY, loadConfiguration } from "../../../src/configuration.ts";

async function configOf(text: string): Promise<EndpointPickerConfig> {
  const source = { kind: "text", text, name: "test.yaml" } as const;
  return (await loadConfiguration(source, { pluginPaths: [], allowExperimental: false })).config;
}

it.each([
  { text: "kind: EndpointPickerConfig", handling: "observe" },
  { text: "requestHandler: {responseBody: observe}", handling: "observe" },
  { text: "requestHandler: {responseBody: skip}", handling: "skip" },
] as const)("$text means $handling, and is shown with what that is", async ({ text, handling }) => {
  const config = await configOf(text);
  expect(config.responseBody).toBe(handling);
  const shown = showConfig(config, BUILTIN_REGISTRY, "yaml");
  expect(shown).toMatch(new RegExp(`\\n +# observe, the default, or skip: .*\\n +responseBody: ${handling}\\n`));
});

it("another word is a fault", async () => {
  const fault = 'test.yaml:1:32: requestHandler.responseBody: must be observe or skip (it is "ignore")';
  await expect(configOf("requestHandler: {responseBody: ignore}")).rejects.toThrow(fault);
});
