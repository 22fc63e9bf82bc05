/**
 * Compiles a configuration into an immutable policy: the kernel's program, the resources that it reads, and what
 * plugins do with single requests. Everything that can be wrong in the plugins and profiles is found here, before the
 * policy becomes active.
 */
import { ConfigError } from "../base/errors.ts";
import type { EndpointPickerConfig, SchedulingConfig } from "../config/config.ts";
import { METRICS_STALE_MS, RESPONSE_BODY_DEFAULT, TOKEN_SIZE_BYTES } from "../config/defaults.ts";
import type { AssetTokensShape, InFlightLoadShape, PrefixCacheShape, Producer } from "../framework/plugin.ts";
import type { DetectorProgram } from "../framework/programs.ts";
import type { PluginRegistry } from "../framework/registry.ts";
import { assetTokensOf } from "../plugins/producers/asset-tokens.ts";
import type { PluginTimer, TimedPlugin } from "../telemetry/series/plugin-series.ts";
import { layout } from "../wasm/layout.ts";
import type { PolicyProgram } from "../wasm/policies.ts";
import type { CompiledPolicy, Guarded, RequestStages } from "./compiled-policy.ts";
import { type CreatedPlugin, type CreatedPlugins, createPlugins, type InstanceContext } from "./instances.ts";
import { type GuardReports, PluginGuard } from "./plugin-guard.ts";
import { compileProfile, type ProfileSource } from "./profiles.ts";
import { kernelProgram, profileProgram } from "./program.ts";
import { attributeKey, ResourceNumbers } from "./resources.ts";
import { NO_SHARED_COLUMN } from "./shared-columns.ts";

/** Besides plugins and profiles. */
type PolicyParts = "saturationDetector" | "parsers" | "responseBody";

/** What compiles: the whole configuration, or the part of it that schedules. */
export type PolicyConfig = SchedulingConfig & Partial<Pick<EndpointPickerConfig, PolicyParts>>;

export interface CompileOptions extends InstanceContext {
  /** Told of calls that fail. The control thread calls no plugin; there it hears nothing. */
  readonly reports: GuardReports;
  /** Counts the times of a plugin whose calls are measured. */
  readonly timerOf?: (plugin: TimedPlugin) => PluginTimer;
}

/** For a thread that calls no plugin: it only wants the program. */
export const PROGRAM_ONLY: CompileOptions = {
  nowMs: () => 0,
  random: () => 0,
  onWarning: () => undefined,
  sharedColumn: () => NO_SHARED_COLUMN,
  reports: { onFailure: () => undefined, onResting: () => undefined, onWorking: () => undefined },
};

/** How prompts are cut where no plugin needs prefix matches: one block at most is hashed, and none is recorded. */
const NO_PREFIX_CACHE = { blockSizeTokens: 64, blocksMax: 1 };

/** Throws a ConfigError that names the place, the value and what would be right. */
export function compilePolicy(
  config: PolicyConfig,
  registry: PluginRegistry,
  options: CompileOptions = PROGRAM_ONLY,
): CompiledPolicy {
  const created = createPlugins(config.plugins, registry, options);
  const plugins = [...created.byName.values()];
  const { responseBody = RESPONSE_BODY_DEFAULT } = config;
  if (responseBody === "skip") checkNoneNeedsBodies(plugins);
  const profileNames = config.schedulingProfiles.map(({ name }) => name);
  const handler = findProfileHandler(plugins, profileNames);
  if (profileNames.length === 0) throw new ConfigError("schedulingProfiles is empty: at least one profile is needed");
  checkProfileCount(profileNames);
  const guards = new Map(plugins.map((plugin) => [plugin.name, newGuard(plugin, options)]));
  const resources = new ResourceNumbers({
    labelMasks: layout.LABEL_MASKS_MAX,
    columns: layout.ATTRIBUTES_MAX,
    requestMasks: layout.REQUEST_MASKS_MAX,
    sessions: layout.REQUEST_SESSIONS_MAX,
  });
  const compiled = config.schedulingProfiles.map((profile, index) =>
    compileProfile(profile, index, { plugins: created.byName, guards, resources }),
  );
  const sharedColumns = plugins.flatMap(({ name: producer, plugin }) =>
    (plugin.sharedColumns ?? []).map((attribute) => {
      resources.add(producer, { columns: [{ kind: "attribute", attribute, producer }] });
      return attributeKey(producer, attribute);
    }),
  );
  const prefixCache = onlyShape(plugins, "prefixCache", "of prefix matches");
  const inFlightLoad = onlyShape(plugins, "inFlightLoad", "of in-flight load");
  const assetTokens = onlyShape(plugins, "assetTokens", "of prompt tokens") ?? assetTokensOf({});
  const detector = findDetector(config, created);
  const programWith = (columnNumbers: readonly number[]): PolicyProgram =>
    policyProgram(
      { prefixCache, inFlightLoad, assetTokens, detector, sources: compiled.map(({ source }) => source) },
      columnNumbers,
    );
  const guardedBy = <Part>(pick: (plugin: CreatedPlugin) => Part | undefined): Guarded<Part>[] =>
    guardedParts(plugins, guards, pick);
  const profiles = compiled.map(({ profile }) => profile);
  return {
    program: programWith(resources.columns.map((_, position) => position)),
    programWith,
    profiles,
    profileHandler: guarded(
      handler,
      handler.plugin.profileHandler as NonNullable<typeof handler.plugin.profileHandler>,
      guards,
    ),
    prefixCache,
    inFlightLoad,
    assetTokens,
    responseBody,
    labelMasks: resources.labelMasks,
    columns: resources.columns,
    sharedColumns,
    requestStages: requestStages(created, guards, resources, {
      isNeeded:
        handler.plugin.profileHandler?.nextProfiles !== undefined ||
        handler.plugin.profileHandler?.finish !== undefined ||
        profiles.some(({ custom }) => custom !== undefined),
    }),
    headers: [...new Set(plugins.flatMap(({ plugin }) => plugin.headers ?? []).map((name) => name.toLowerCase()))],
    parsers: new Map(guardedBy(({ plugin }) => plugin.parser).map((parser) => [parser.name, parser])),
    plugins: plugins.map(({ name, type, plugin }) => ({ name, type, plugin, guard: guards.get(name) as PluginGuard })),
  };
}

function newGuard(
  { name, type, definition, budgetMs }: CreatedPlugin,
  { nowMs, reports, timerOf }: CompileOptions,
): PluginGuard {
  const extensionPoint = definition.facets.join("+");
  const onTimed = budgetMs === undefined ? undefined : timerOf?.({ extensionPoint, type, name });
  return new PluginGuard({ name, budgetMs, nowMs, reports, onTimed });
}

function checkNoneNeedsBodies(plugins: readonly CreatedPlugin[]): void {
  const needy = plugins.find(({ plugin }) => plugin.needsResponseBody === true);
  if (needy === undefined) return;
  throw new ConfigError(
    `is skip, and the plugin "${needy.name}" is of no use without bodies of responses; observe them, or remove it`,
    { path: ["requestHandler", "responseBody"] },
  );
}

function findProfileHandler(plugins: readonly CreatedPlugin[], profileNames: readonly string[]): CreatedPlugin {
  let handler: CreatedPlugin | undefined;
  for (const plugin of plugins) {
    if (plugin.plugin.profileHandler === undefined) continue;
    if (handler !== undefined) {
      throw new ConfigError(`plugins has two profile handlers, "${handler.name}" and "${plugin.name}"; keep one`, {
        path: plugin.path,
      });
    }
    handler = plugin;
  }
  if (handler === undefined) {
    throw new ConfigError("plugins has no profile handler; add one of type single-profile-handler", {
      path: ["plugins"],
    });
  }
  try {
    handler.plugin.profileHandler?.checkProfiles(profileNames);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(error.message, { path: error.path ?? ["schedulingProfiles"], cause: error });
  }
  return handler;
}

function checkProfileCount(profileNames: readonly string[]): void {
  if (profileNames.length <= layout.PROFILES_MAX) return;
  throw new ConfigError(`there are ${profileNames.length} profiles; at most ${layout.PROFILES_MAX} can be used`, {
    path: ["schedulingProfiles"],
  });
}

/** The shape that a producer sets; a policy has one of each kind, or none. */
function onlyShape<Kind extends "prefixCache" | "inFlightLoad" | "assetTokens">(
  plugins: readonly CreatedPlugin[],
  kind: Kind,
  what: string,
): Producer[Kind] | undefined {
  let found: CreatedPlugin | undefined;
  for (const plugin of plugins) {
    if (plugin.plugin.producer?.[kind] === undefined) continue;
    if (found !== undefined) {
      const names = `"${found.name}" and "${plugin.name}"`;
      throw new ConfigError(`plugins has two producers ${what}, ${names}; endpoints are judged by one, keep one`, {
        path: plugin.path,
      });
    }
    found = plugin;
  }
  return found?.plugin.producer?.[kind];
}

function findDetector({ saturationDetector }: PolicyConfig, { byName }: CreatedPlugins): DetectorProgram | undefined {
  if (saturationDetector === undefined) return undefined;
  const detector = byName.get(saturationDetector)?.plugin.saturationDetector;
  if (detector !== undefined) return detector;
  throw new ConfigError(`"${saturationDetector}" is not the name of a saturation detector`, {
    path: ["flowControl", "saturationDetector"],
  });
}

function policyProgram(
  parts: {
    readonly prefixCache: PrefixCacheShape | undefined;
    readonly inFlightLoad: InFlightLoadShape | undefined;
    readonly assetTokens: AssetTokensShape;
    readonly detector: DetectorProgram | undefined;
    readonly sources: readonly ProfileSource[];
  },
  columnNumbers: readonly number[],
): PolicyProgram {
  const { blockSizeTokens, blocksMax } = parts.prefixCache ?? NO_PREFIX_CACHE;
  const { imageTokenPixels, imageTokens, videoTokens } = parts.assetTokens;
  return {
    blockSize: blockSizeTokens * TOKEN_SIZE_BYTES,
    blocksMax: Math.min(blocksMax, layout.BLOCKS_MAX),
    tokenSize: TOKEN_SIZE_BYTES,
    staleMs: METRICS_STALE_MS,
    outputRatio: parts.inFlightLoad?.outputRatio ?? 0,
    outputTokensMax: parts.inFlightLoad?.outputTokensMax ?? Number.POSITIVE_INFINITY,
    imageTokenPixels,
    imageTokens,
    videoTokens,
    detector: parts.detector && kernelProgram(parts.detector),
    profiles: parts.sources.map((source) => profileProgram(source, columnNumbers)),
  };
}

function requestStages(
  { byName, producers }: CreatedPlugins,
  guards: ReadonlyMap<string, PluginGuard>,
  resources: ResourceNumbers,
  { isNeeded }: { readonly isNeeded: boolean },
): RequestStages | undefined {
  const plugins = [...byName.values()];
  const stages: RequestStages = {
    // A producer that declares no keys still runs, after those that do.
    producers: guardedParts([...new Set([...producers, ...plugins])], guards, ({ plugin }) =>
      plugin.producer?.produce === undefined ? undefined : plugin.producer,
    ),
    admitters: guardedParts(plugins, guards, ({ plugin }) => plugin.admitter),
    hooks: guardedParts(plugins, guards, ({ plugin }) => plugin.hooks),
    requestMasks: resources.requestMasks.map(({ plugin: name, mask: part }) => guardedPart(name, part, guards)),
    sessions: resources.sessions.map(({ plugin: name, key: part, secondsMax }) => {
      return { ...guardedPart(name, part, guards), secondsMax };
    }),
  };
  return isNeeded || Object.values(stages).some((list: readonly unknown[]) => list.length > 0) ? stages : undefined;
}

function guardedParts<Part>(
  plugins: readonly CreatedPlugin[],
  guards: ReadonlyMap<string, PluginGuard>,
  partOf: (plugin: CreatedPlugin) => Part | undefined,
): Guarded<Part>[] {
  return plugins.flatMap((plugin) => {
    const part = partOf(plugin);
    return part === undefined ? [] : [guarded(plugin, part, guards)];
  });
}

function guarded<Part>({ name }: CreatedPlugin, part: Part, guards: ReadonlyMap<string, PluginGuard>): Guarded<Part> {
  return guardedPart(name, part, guards);
}

function guardedPart<Part>(name: string, part: Part, guards: ReadonlyMap<string, PluginGuard>): Guarded<Part> {
  return { name, part, guard: guards.get(name) as PluginGuard };
}
