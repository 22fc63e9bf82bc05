import { expect, it } from "vitest";
import { BUILTIN_PLUGINS } from "../../src/builtins.ts";
import type { ResponseBodyHandling } from "../../src/config/config.ts";
import { PluginRegistry } from "../../src/framework/registry.ts";
import { responseLosses } from "../../src/response-losses.ts";
import { compilePolicy } from "../../src/scheduling/policy.ts";
import { configOf, testPlugin } from "../support/plugins.ts";

const told = testPlugin("told", ["hook"], () => ({ hooks: { onEnd: () => undefined } }));
const untold = testPlugin("untold", ["hook"], () => ({ hooks: { onRequest: () => undefined } }));
const needy = testPlugin("needy", ["hook"], () => ({ hooks: { onEnd: () => undefined }, needsResponseBody: true }));
const registry = new PluginRegistry([...BUILTIN_PLUGINS, told, untold, needy]);

function compile(responseBody: ResponseBodyHandling, ...hooks: readonly string[]) {
  const config = configOf(["single-profile-handler", "queue-scorer", ...hooks], { default: ["queue-scorer"] });
  return compilePolicy({ ...config, responseBody }, registry);
}

it("nothing is lost where bodies are observed", () => {
  expect(responseLosses(compile("observe", "told", "needy"))).toEqual([]);
});

it("what is lost names the metrics, and the plugins that are told no tokens", () => {
  const losses = responseLosses(compile("skip", "told", "untold"));
  expect(losses.every((loss) => loss.startsWith("requestHandler.responseBody is skip: "))).toBe(true);
  const metrics = losses[0]?.match(/\b(llm_d_epp|endpoint_picker)_\w+/g);
  expect(metrics).toEqual([
    "llm_d_epp_response_size_bytes",
    "llm_d_epp_request_input_tokens",
    "llm_d_epp_request_output_tokens",
    "llm_d_epp_request_cached_tokens",
    "llm_d_epp_request_ntpot_seconds",
    "llm_d_epp_request_streaming_tpot_seconds",
    "llm_d_epp_request_streaming_itl_seconds",
    "llm_d_epp_request_ttft_seconds",
    "llm_d_epp_response_processing_duration_seconds",
    ...["response_tokens_total", "response_events_total"].map((name) => `endpoint_picker_${name}`),
  ]);
  expect(losses.filter((loss) => loss.includes("plugin"))).toContain(
    'requestHandler.responseBody is skip: plugin "told" is told no tokens when a request is over',
  );
  expect(losses.join()).not.toContain('"untold"');
});

it("a plugin that is of no use without bodies is refused", () => {
  expect(() => compile("skip", "needy")).toThrow('is skip, and the plugin "needy" is of no use without bodies');
});
