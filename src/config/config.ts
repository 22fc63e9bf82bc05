/**
 * The shape of an EndpointPickerConfig after loading: checked, and explicit, with every default filled in. Names and
 * meaning are those of the Go picker's `llm-d.ai/v1alpha1`. `schema.ts` is what a file may say, `complete.ts` fills in
 * the rest.
 */

/** A place in the configuration document, like `["plugins", 2, "type"]`. */
export type ConfigPath = readonly (string | number)[];

/** Where an entry comes from: the document, or a default, and why that is the default. */
export type Origin =
  | { readonly kind: "document"; readonly path: ConfigPath }
  | { readonly kind: "default"; readonly reason: string };

export interface PluginInstance {
  readonly name: string;
  readonly type: string;
  /** As written; the plugin's own schema checks it. */
  readonly parameters: unknown;
  /** Absent in configurations that are made by hand, as in tests. */
  readonly origin?: Origin;
}

export interface ProfilePlugin {
  /** Name of a plugin instance. */
  readonly pluginRef: string;
  /** Multiplies a scorer's score; without meaning for other kinds. */
  readonly weight?: number;
  readonly origin?: Origin;
}

export interface SchedulingProfile {
  readonly name: string;
  readonly plugins: readonly ProfilePlugin[];
  readonly origin?: Origin;
}

/** What decides how requests are scheduled. */
export interface SchedulingConfig {
  readonly plugins: readonly PluginInstance[];
  readonly schedulingProfiles: readonly SchedulingProfile[];
}

/** Whether bodies of responses are looked at, or proxies are asked not to show them. */
export const RESPONSE_BODY_HANDLINGS = ["observe", "skip"] as const;
export type ResponseBodyHandling = (typeof RESPONSE_BODY_HANDLINGS)[number];

export interface EndpointPickerConfig extends SchedulingConfig {
  readonly featureGates: FeatureGates;
  /** Name of the plugin that judges how full the pool is. */
  readonly saturationDetector: string;
  /** Names of parser plugins, in order. */
  readonly parsers: readonly string[];
  readonly responseBody: ResponseBodyHandling;
  readonly dataLayer: DataLayerConfig;
  readonly flowControl: FlowControlConfig;
}

export interface FeatureGates {
  readonly flowControl: boolean;
  readonly haPopulateNonLeaderDatastore: boolean;
}

export interface DataLayerConfig {
  /** In order; each names a data source and the extractors that read what it fetches. */
  readonly sources: readonly DataSourceConfig[];
  /** Name of the plugin that finds endpoints; undefined leaves that to the flags. */
  readonly discovery: string | undefined;
}

export interface DataSourceConfig {
  readonly pluginRef: string;
  readonly extractors: readonly string[];
  readonly origin?: Origin;
}

/** Sizes in bytes, times in ms. */
export interface FlowControlConfig {
  /** Undefined: unlimited. */
  readonly bytesMax: number | undefined;
  readonly requestsMax: number | undefined;
  /** 0: requests wait without limit. */
  readonly requestTtlMs: number;
  readonly noEndpointRequestTtlMs: number;
  readonly defaultPriorityBand: PriorityBandConfig;
  readonly defaultNegativePriorityBand: PriorityBandConfig;
  readonly priorityBands: readonly (PriorityBandConfig & { readonly priority: number })[];
  /** Name of the plugin that limits what each priority may use. */
  readonly usageLimitPolicy: string;
  readonly enableEviction: boolean;
}

export interface PriorityBandConfig {
  readonly bytesMax: number;
  readonly requestsMax: number;
  /** Names of plugins. */
  readonly fairnessPolicy: string;
  readonly orderingPolicy: string;
}
