/**
 * A compiled policy: what a configuration says, ready to be run. Immutable. The control thread publishes its program
 * and keeps its resources up to date; a shard runs its hooks and custom functions.
 */
import type { ResponseBodyHandling } from "../config/config.ts";
import type {
  AssetTokensShape,
  InFlightLoadShape,
  Plugin,
  PrefixCacheShape,
  ProfileHandler,
} from "../framework/plugin.ts";
import type { CustomFilter, CustomPicker, CustomScorer } from "../framework/programs.ts";
import type { PolicyProgram } from "../wasm/policies.ts";
import type { PluginGuard } from "./plugin-guard.ts";
import type { MaskSource, PolicyColumn, SessionSource } from "./resources.ts";

export interface CompiledPolicy {
  /** Columns in it are positions in `columns`. */
  readonly program: PolicyProgram;
  /** The same with the columns' real numbers, by their positions in `columns`. */
  programWith(columnNumbers: readonly number[]): PolicyProgram;
  /** A profile's position is its number. */
  readonly profiles: readonly CompiledProfile[];
  readonly profileHandler: Guarded<ProfileHandler>;
  /** Undefined when no plugin needs prefix matches: then picks are not recorded. */
  readonly prefixCache: PrefixCacheShape | undefined;
  readonly inFlightLoad: InFlightLoadShape | undefined;
  readonly assetTokens: AssetTokensShape;
  readonly responseBody: ResponseBodyHandling;
  /** By number: the endpoints whose labels pass. */
  readonly labelMasks: readonly ((labels: Readonly<Record<string, string>>) => boolean)[];
  /** That programs read, and those that user plugins share. */
  readonly columns: readonly PolicyColumn[];
  /** Keys of the columns that users' plugins share. */
  readonly sharedColumns: readonly string[];
  /** What plugins do with single requests; undefined when none looks at them. */
  readonly requestStages: RequestStages | undefined;
  /** Request headers that plugins read. */
  readonly headers: readonly string[];
  /** User's parsers by instance name. */
  readonly parsers: ReadonlyMap<string, Guarded<NonNullable<Plugin["parser"]>>>;
  /** Every plugin, in the order of the configuration. */
  readonly plugins: readonly NamedPlugin[];
}

export interface CompiledProfile {
  readonly name: string;
  /** Names of the plugins, in the order in which they run. */
  readonly filters: readonly string[];
  readonly scorers: readonly { readonly name: string; readonly weight: number }[];
  readonly picker: string;
  /** Functions that run outside of the kernel, by position; undefined when there are none. */
  readonly custom: CustomStages | undefined;
  /** Numbers of the request masks and sessions that it reads. */
  readonly requestMasks: readonly number[];
  readonly sessions: readonly number[];
}

export interface CustomStages {
  /** By position among the profile's filters. */
  readonly filters: ReadonlyMap<number, Guarded<CustomFilter>>;
  /** By position among its scorers. */
  readonly scorers: ReadonlyMap<number, Guarded<CustomScorer>>;
  readonly picker: Guarded<CustomPicker> | undefined;
}

/** A part of a plugin, and what watches its calls. */
export interface Guarded<Part> {
  /** Of the plugin's instance. */
  readonly name: string;
  readonly part: Part;
  readonly guard: PluginGuard;
}

/** In the order of the configuration, but for producers, which stand in the order of the data graph. */
export interface RequestStages {
  readonly producers: readonly Guarded<NonNullable<Plugin["producer"]>>[];
  readonly admitters: readonly Guarded<NonNullable<Plugin["admitter"]>>[];
  readonly hooks: readonly Guarded<NonNullable<Plugin["hooks"]>>[];
  /** By number. */
  readonly requestMasks: readonly Guarded<MaskSource["mask"]>[];
  readonly sessions: readonly (Guarded<SessionSource["key"]> & { readonly secondsMax: number })[];
}

export interface NamedPlugin {
  readonly name: string;
  readonly type: string;
  readonly plugin: Plugin;
  readonly guard: PluginGuard;
}
