/** Plugins as tests create them: a context that needs nothing, and the kernel's programs of built-in ones. */
import type { CreateContext, Plugin, PluginDefinition } from "../../src/framework/plugin.ts";
import { type KernelProgram, SCORER_OPS } from "../../src/wasm/policies.ts";

export const testContext: CreateContext = {
  name: "test",
  instances: new Map(),
  nowMs: () => 0,
  random: () => 0,
  warn: () => undefined,
  sharedColumn: () => ({ get: () => undefined, set: () => undefined }),
};

/** An instance of `definition` with these parameters as a configuration file would give them. */
export function createPlugin<Parameters>(
  definition: PluginDefinition<Parameters>,
  parameters: unknown = {},
  context: Partial<CreateContext> = {},
): Plugin {
  return definition.create(definition.parameters.parse(parameters), { ...testContext, ...context });
}

/** What the operator is told when a plugin is created from these parameters. */
export function warningsOf<Parameters>(definition: PluginDefinition<Parameters>, parameters: unknown): string[] {
  const warnings: string[] = [];
  createPlugin(definition, parameters, { warn: (text) => warnings.push(text) });
  return warnings;
}

/** What a built-in scorer runs in the kernel. */
export function scorerProgram<Parameters>(
  definition: PluginDefinition<Parameters>,
  parameters: unknown = {},
): KernelProgram {
  const { scorer } = createPlugin(definition, parameters);
  if (scorer === undefined || !("op" in scorer)) throw new Error(`${definition.type} is no kernel scorer`);
  return { op: SCORER_OPS[scorer.op], parameters: scorer.parameters ?? [] };
}
