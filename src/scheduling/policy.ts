/**
 * Compiles a configuration into an immutable policy: the kernel's program, and the names with which a decision is
 * explained. Everything that can be wrong in the profiles is found here, before the policy becomes active.
 */
import { z } from "zod";
import { ConfigError } from "../base/errors.ts";
import type { EndpointPickerConfig, PluginInstance, SchedulingProfile } from "../config/config.ts";
import { METRICS_STALE_MS, SCORER_WEIGHT_DEFAULT, TOKEN_SIZE_BYTES } from "../config/defaults.ts";
import type { Picker, PluginDefinition, PrefixCacheShape } from "../framework/plugin.ts";
import type { PluginRegistry } from "../framework/registry.ts";
import { layout } from "../wasm/layout.ts";
import { PICKER_PROGRAMS, type PolicyProgram } from "../wasm/policies.ts";

export interface CompiledPolicy {
  readonly program: PolicyProgram;
  /** The profile's scorers in the order of the kernel's score columns. */
  readonly scorers: readonly { readonly name: string; readonly weight: number }[];
  readonly prefixCache: PrefixCacheShape;
}

/** Of a profile that lists no picker. */
const PICKER_DEFAULT: Picker = { program: PICKER_PROGRAMS.maxScore, targetsMax: 1 };

interface CreatedPlugin {
  readonly instance: PluginInstance;
  readonly definition: PluginDefinition;
  readonly parameters: unknown;
}

/** Throws a ConfigError that names the path, the value and what would be right. */
export function compilePolicy(config: EndpointPickerConfig, registry: PluginRegistry): CompiledPolicy {
  const plugins = new Map(
    config.plugins.map((instance, index) => [instance.name, readPlugin(instance, index, registry)]),
  );
  checkProfileHandler([...plugins.values()], config.schedulingProfiles);
  const [profile] = config.schedulingProfiles;
  if (profile === undefined) throw new ConfigError("schedulingProfiles is empty: at least one profile is needed");
  const prefixCache = prefixCacheShape([...plugins.values()]);
  const { scorers, picker } = readProfile(profile, plugins);
  return {
    prefixCache,
    scorers: scorers.map(({ name, weight }) => ({ name, weight })),
    program: {
      blockSize: prefixCache.blockSizeTokens * TOKEN_SIZE_BYTES,
      blocksMax: Math.min(prefixCache.blocksMax, layout.BLOCKS_MAX),
      tokenSize: TOKEN_SIZE_BYTES,
      staleMs: METRICS_STALE_MS,
      picker: picker.program,
      targetsMax: picker.targetsMax,
      scorers: scorers.map(({ program, weight }) => ({ program, weight })),
    },
  };
}

function readPlugin(instance: PluginInstance, index: number, registry: PluginRegistry): CreatedPlugin {
  const definition = registry.get(instance.type);
  const parsed = definition.parameters.safeParse(instance.parameters ?? {});
  if (parsed.success) return { instance, definition, parameters: parsed.data };
  throw new ConfigError(`plugins[${index}] (${instance.type}): parameters: ${z.prettifyError(parsed.error)}`);
}

function checkProfileHandler(plugins: readonly CreatedPlugin[], profiles: readonly SchedulingProfile[]): void {
  for (const { definition, parameters } of plugins) {
    if (definition.kind === "profile-handler") {
      definition.create(parameters).checkProfiles(profiles.map((profile) => profile.name));
      return;
    }
  }
  throw new ConfigError("plugins has no profile handler; add one of type single-profile-handler");
}

function prefixCacheShape(plugins: readonly CreatedPlugin[]): PrefixCacheShape {
  for (const { definition, parameters } of plugins) {
    const shape = definition.kind === "producer" ? definition.create(parameters).prefixCache : undefined;
    if (shape !== undefined) return shape;
  }
  throw new ConfigError("plugins has no producer of prefix matches; add one of type approx-prefix-cache-producer");
}

function readProfile(
  profile: SchedulingProfile,
  plugins: ReadonlyMap<string, CreatedPlugin>,
): {
  scorers: { name: string; weight: number; program: PolicyProgram["scorers"][number]["program"] }[];
  picker: Picker;
} {
  const scorers = [];
  let picker: Picker = PICKER_DEFAULT;
  for (const [index, { pluginRef, weight }] of profile.plugins.entries()) {
    const place = `schedulingProfiles "${profile.name}".plugins[${index}]`;
    const plugin = plugins.get(pluginRef);
    if (plugin === undefined) {
      throw new ConfigError(
        `${place}: pluginRef "${pluginRef}" is not the name of a plugin; names: ${[...plugins.keys()].join(", ")}`,
      );
    }
    const { definition, parameters } = plugin;
    switch (definition.kind) {
      case "scorer":
        scorers.push({
          name: pluginRef,
          weight: weight ?? SCORER_WEIGHT_DEFAULT,
          program: definition.create(parameters).program,
        });
        break;
      case "picker":
        picker = definition.create(parameters);
        break;
      case "producer":
      case "profile-handler":
        throw new ConfigError(
          `${place}: "${pluginRef}" is a ${definition.kind}; a profile lists scorers and one picker`,
        );
    }
  }
  return { scorers, picker };
}
