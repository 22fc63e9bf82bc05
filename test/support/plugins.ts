/** Plugins as tests create them: a context that needs nothing, and the kernel's programs of built-in ones. */
import { z } from "zod";
import type { CreateContext, Facet, Plugin, PluginDefinition } from "../../src/framework/plugin.ts";
import type { PolicyConfig } from "../../src/scheduling/policy.ts";
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

/** A plugin type for a test: takes any parameters, and is what `create` makes of them. */
export function testPlugin(
  type: string,
  facets: readonly Facet[],
  create: (parameters: Record<string, unknown>, context: CreateContext) => Plugin,
  more: Partial<Pick<PluginDefinition, "consumes" | "produces">> = {},
): PluginDefinition {
  return {
    type,
    facets,
    stability: "stable",
    summary: "A test's plugin.",
    parameters: z.record(z.string(), z.unknown()) as z.ZodType,
    create: (parameters, context) => create(parameters as Record<string, unknown>, context),
    ...more,
  };
}

/** A configuration of one instance per type, under its type's name, and profiles that list some of them. */
export function configOf(
  types: readonly string[],
  profiles: Readonly<Record<string, readonly string[]>>,
  parameters: Readonly<Record<string, unknown>> = {},
): PolicyConfig {
  return {
    plugins: types.map((type) => ({ name: type, type, parameters: parameters[type] ?? {} })),
    schedulingProfiles: Object.entries(profiles).map(([name, plugins]) => {
      return { name, plugins: plugins.map((pluginRef) => ({ pluginRef })) };
    }),
  };
}
