/**
 * Compiles a configuration into an immutable policy: the kernel's program, and the names with which a decision is
 * explained. Everything that can be wrong in the profiles is found here, before the policy becomes active.
 */
import { z } from "zod";
import { ConfigError } from "../base/errors.ts";
import type { PluginInstance, SchedulingConfig, SchedulingProfile } from "../config/config.ts";
import { METRICS_STALE_MS, SCORER_WEIGHT_DEFAULT, TOKEN_SIZE_BYTES } from "../config/defaults.ts";
import type { CreateContext, Plugin, PluginDefinition, PrefixCacheShape } from "../framework/plugin.ts";
import type { PickerProgram } from "../framework/programs.ts";
import type { PluginRegistry } from "../framework/registry.ts";
import { layout } from "../wasm/layout.ts";
import { PICKER_OPS, type PolicyProgram, SCORER_OPS } from "../wasm/policies.ts";

export interface CompiledPolicy {
  readonly program: PolicyProgram;
  /** The profile's scorers in the order of the kernel's score columns. */
  readonly scorers: readonly { readonly name: string; readonly weight: number }[];
  readonly prefixCache: PrefixCacheShape;
}

/** Of a profile that lists no picker. */
const PICKER_DEFAULT: PickerProgram = { op: "maxScore", targetsMax: 1 };

interface CreatedPlugin {
  readonly instance: PluginInstance;
  readonly definition: PluginDefinition;
  readonly plugin: Plugin;
}

/** Throws a ConfigError that names the path, the value and what would be right. */
export function compilePolicy(config: SchedulingConfig, registry: PluginRegistry): CompiledPolicy {
  const plugins = readPlugins(config.plugins, registry);
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
      picker: PICKER_OPS[picker.op],
      targetsMax: picker.targetsMax,
      scorers: scorers.map(({ program, weight }) => ({ program, weight })),
    },
  };
}

function readPlugins(instances: readonly PluginInstance[], registry: PluginRegistry): Map<string, CreatedPlugin> {
  const plugins = new Map<string, CreatedPlugin>();
  for (const [index, instance] of instances.entries()) {
    const place = `plugins[${index}]`;
    if (plugins.has(instance.name)) {
      throw new ConfigError(`${place}: the name "${instance.name}" is taken by an earlier plugin; give it another one`);
    }
    plugins.set(instance.name, readPlugin(instance, place, registry));
  }
  return plugins;
}

function readPlugin(instance: PluginInstance, place: string, registry: PluginRegistry): CreatedPlugin {
  const definition = findDefinition(instance, place, registry);
  const parsed = definition.parameters.safeParse(instance.parameters ?? {});
  if (parsed.success) return { instance, definition, plugin: definition.create(parsed.data, contextOf(instance)) };
  throw new ConfigError(`${place} (${instance.type}): parameters: ${z.prettifyError(parsed.error)}`);
}

function contextOf({ name }: PluginInstance): CreateContext {
  return { name, instances: new Map(), nowMs: () => 0, random: () => 0, warn: () => undefined };
}

function findDefinition({ type }: PluginInstance, place: string, registry: PluginRegistry): PluginDefinition {
  try {
    return registry.get(type);
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`${place}: ${error.message}`);
    throw error;
  }
}

function checkProfileHandler(plugins: readonly CreatedPlugin[], profiles: readonly SchedulingProfile[]): void {
  let handlerName: string | undefined;
  for (const { instance, plugin } of plugins) {
    if (plugin.profileHandler === undefined) continue;
    if (handlerName !== undefined) {
      throw new ConfigError(`plugins has two profile handlers, "${handlerName}" and "${instance.name}"; keep one`);
    }
    handlerName = instance.name;
    plugin.profileHandler.checkProfiles(profiles.map((profile) => profile.name));
  }
  if (handlerName !== undefined) return;
  throw new ConfigError("plugins has no profile handler; add one of type single-profile-handler");
}

function prefixCacheShape(plugins: readonly CreatedPlugin[]): PrefixCacheShape {
  for (const { plugin } of plugins) {
    const shape = plugin.producer?.prefixCache;
    if (shape !== undefined) return shape;
  }
  throw new ConfigError("plugins has no producer of prefix matches; add one of type approx-prefix-cache-producer");
}

function readProfile(
  profile: SchedulingProfile,
  plugins: ReadonlyMap<string, CreatedPlugin>,
): {
  scorers: { name: string; weight: number; program: PolicyProgram["scorers"][number]["program"] }[];
  picker: PickerProgram;
} {
  const scorers = [];
  let picker: PickerProgram | undefined;
  for (const [index, { pluginRef, weight }] of profile.plugins.entries()) {
    const place = `schedulingProfiles "${profile.name}".plugins[${index}]`;
    const plugin = plugins.get(pluginRef);
    if (plugin === undefined) {
      throw new ConfigError(
        `${place}: pluginRef "${pluginRef}" is not the name of a plugin; names: ${[...plugins.keys()].join(", ")}`,
      );
    }
    const { scorer, picker: ownPicker } = plugin.plugin;
    if (scorer !== undefined && "op" in scorer) {
      const program = { op: SCORER_OPS[scorer.op], parameters: scorer.parameters ?? [] };
      scorers.push({ name: pluginRef, weight: readWeight(weight, place), program });
    } else if (ownPicker !== undefined && "op" in ownPicker) {
      if (picker !== undefined) throw new ConfigError(`${place}: "${pluginRef}" is a second picker; keep one`);
      picker = ownPicker;
    } else {
      const facets = plugin.definition.facets.join(", ");
      throw new ConfigError(`${place}: "${pluginRef}" is a ${facets}; a profile lists scorers and one picker`);
    }
  }
  if (scorers.length > layout.SCORERS_MAX) {
    throw new ConfigError(
      `schedulingProfiles "${profile.name}" has ${scorers.length} scorers; at most ${layout.SCORERS_MAX} can be used`,
    );
  }
  return { scorers, picker: picker ?? PICKER_DEFAULT };
}

/** Any finite number: a negative weight turns a preference round. */
function readWeight(weight: number | undefined, place: string): number {
  if (weight === undefined) return SCORER_WEIGHT_DEFAULT;
  if (Number.isFinite(weight)) return weight;
  throw new ConfigError(`${place}: weight ${weight} is not a finite number`);
}
