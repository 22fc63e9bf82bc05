/**
 * Contracts of plugins. A definition is a constant: a type name for configuration files, a schema for its parameters,
 * and a constructor. What a plugin can do it says by its facets; one plugin may have several (a session-affinity scorer
 * scores, and writes the session's token to responses).
 *
 * A plugin is created on the control thread (which writes the kernel's program) and once per shard (which runs hooks
 * and custom functions), from the same configuration. Built-in filters, scorers and pickers never see memory: they say
 * which program of the kernel runs, with what parameters.
 */
import type { z } from "zod";
import type { EppError } from "../base/errors.ts";
import type { DataKey } from "./attributes.ts";
import type { DataSource, Discovery, Extractor } from "./data-sources.ts";
import type { Candidates, FleetEndpoint, FleetView, PoolView } from "./fleet.ts";
import type {
  CustomFilter,
  CustomPicker,
  CustomScorer,
  DetectorProgram,
  FilterProgram,
  PickerProgram,
  ScorerProgram,
} from "./programs.ts";
import type { HeaderChange, RequestView, ResponseEnd, ResponseHead } from "./request.ts";

/** `experimental` ones are refused unless `--allow-experimental-plugins` is given, as in the Go picker ("Alpha"). */
export type Stability = "stable" | "experimental" | "deprecated";

/** What kinds of plugin there are. Which of them a type is stands in its definition, so that references are checked. */
export type Facet =
  | "filter"
  | "scorer"
  | "picker"
  | "profile-handler"
  | "producer"
  | "admitter"
  | "saturation-detector"
  | "hook"
  | "parser"
  | "data-source"
  | "extractor"
  | "discovery"
  | "fairness-policy"
  | "ordering-policy"
  | "usage-limit-policy"
  | "decider"
  | "screener"
  | "eviction-policy";

export interface DataNeeds {
  readonly required: readonly DataNeed[];
  readonly optional?: readonly DataNeed[];
}

/** A data key, from whichever plugin produces it, or from the one instance that is named. */
export interface DataNeed {
  readonly key: DataKey;
  readonly producer?: string | undefined;
}

export interface PluginDefinition<Parameters = unknown> {
  /** Name in configuration files; the Go picker's where it has one. */
  readonly type: string;
  readonly stability: Stability;
  /** One sentence for the plugin table. */
  readonly summary: string;
  readonly facets: readonly Facet[];
  /** Unknown fields are a load error. */
  readonly parameters: z.ZodType<Parameters>;
  /** What it reads. Load-time checks name what is missing and create default producers. */
  consumes?(parameters: Parameters): DataNeeds;
  produces?(parameters: Parameters): readonly DataKey[];
  /** Throws a ConfigError for parameters that fit the schema and still cannot be used. */
  create(parameters: Parameters, context: CreateContext): Plugin;
}

/** What a plugin gets when it is created. */
export interface CreateContext {
  /** Name of the instance. */
  readonly name: string;
  /** Names of all instances and their types, for plugins that refer to others. */
  readonly instances: ReadonlyMap<string, string>;
  /** Milliseconds on the clock that decisions use. */
  readonly nowMs: () => number;
  /** A uniform number in [0, 1) from the decision seeds. */
  readonly random: () => number;
  /** Tells the operator of something that works and should be changed: a deprecated or an ignored parameter. */
  readonly warn: (text: string) => void;
  /** One of the columns that this plugin declares in `sharedColumns`. It can be used once requests come. */
  readonly sharedColumn: (name: string) => SharedColumn;
}

/** One number per endpoint that all shards and the kernel see. The last one that writes wins. */
export interface SharedColumn {
  /** Undefined where nothing was written yet. */
  get(endpoint: FleetEndpoint): number | undefined;
  set(endpoint: FleetEndpoint, value: number | undefined): void;
}

/** An instance. Only the facets that its definition names are set. */
export interface Plugin {
  readonly filter?: FilterProgram | CustomFilter;
  readonly scorer?: ScorerProgram | CustomScorer;
  readonly picker?: PickerProgram | CustomPicker;
  readonly profileHandler?: ProfileHandler;
  readonly producer?: Producer;
  readonly admitter?: Admitter;
  readonly saturationDetector?: DetectorProgram;
  readonly hooks?: Hooks;
  /** Of a user's parser; `framework/parser.ts` says what it is. Built-in parsers are known by their type. */
  readonly parser?: CustomParser;
  /** Of the data layer; the control thread does what they say. */
  readonly dataSource?: DataSource;
  readonly extractor?: Extractor;
  readonly discovery?: Discovery;
  /** Request headers that it reads, lower case. Others are not kept. */
  readonly headers?: readonly string[];
  /** It is of no use without the tokens that responses report: refused where their bodies are skipped. */
  readonly needsResponseBody?: boolean;
  /** Columns that it shares between shards: one number per endpoint each, last writer wins. */
  readonly sharedColumns?: readonly string[];
  /** State for operators: small, capped, without prompts. */
  dumpState?(): unknown;
}

/** Decides which profiles run for a request, and which result is the answer. */
export interface ProfileHandler {
  /** Throws a ConfigError when the configured profiles are not what this handler can run. */
  checkProfiles(profileNames: readonly string[]): void;
  /**
   * Profiles to run next, given the results so far (undefined: the profile found no endpoint); none when it is done.
   * Absent for a handler that always runs the only profile: such requests are decided in batches.
   */
  nextProfiles?(
    request: RequestView,
    profileNames: readonly string[],
    results: ReadonlyMap<string, ProfileResult | undefined>,
  ): readonly string[];
  /**
   * Whether a profile's pick is taken to hold the prompt from then on. Absent: all are; false for profiles whose
   * servers do not compute the prompt, like those that only encode images.
   */
  recordsPrompt?(profileName: string): boolean;
  /** The result that is the answer, and what the server is told besides. */
  finish?(request: RequestView, results: ReadonlyMap<string, ProfileResult | undefined>): ProfileChoice;
}

export interface ProfileResult {
  /** `ip:port`, the picked one first, then those to fall back to. */
  readonly targets: readonly string[];
  readonly slot: number;
  readonly matchedBlocks: number;
  readonly blockCount: number;
}

export interface ProfileChoice {
  readonly primaryProfile: string;
  readonly headers?: readonly HeaderChange[];
}

/** Supplies data that other plugins consume. */
export interface Producer {
  /** Set by a producer of prefix matches: how prompts are cut, and how much each endpoint is taken to hold. */
  readonly prefixCache?: PrefixCacheShape;
  /** Set by the producer of in-flight load: what a request is charged as. */
  readonly inFlightLoad?: InFlightLoadShape;
  /** Set by the producer of prompt tokens: what images and videos count as. */
  readonly assetTokens?: AssetTokensShape;
  /** Called before scheduling, in the order of the data graph. When it throws, its data stays unset. */
  produce?(request: RequestView, candidates: Candidates): void;
}

export interface PrefixCacheShape {
  /** Take block size and block count from what the engines report, where they do. */
  readonly autoTune: boolean;
  readonly blockSizeTokens: number;
  readonly blocksMax: number;
  /** Blocks that one endpoint is taken to hold; the least recently used go first. */
  readonly blocksPerEndpointMax: number;
  /** Tokens of a prompt that are matched; `blocksMax` follows from it when the block size is tuned. */
  readonly prefixTokensMax: number;
}

export interface InFlightLoadShape {
  /** Estimated output tokens per prompt token that are charged as well; 0 charges none. */
  readonly outputRatio: number;
  /** Upper bound of that estimate; Infinity for none. */
  readonly outputTokensMax: number;
}

/** Tokens that images and videos stand for in a prompt: whole numbers, each from 1 to the kernel's ASSET_TOKENS_MAX. */
export interface AssetTokensShape {
  /** Pixels of an image that count as one token; 0: all images count as `imageTokens`. */
  readonly imageTokenPixels: number;
  /** Of an image whose size is not known. */
  readonly imageTokens: number;
  /** Of a video of which the request does not say more. */
  readonly videoTokens: number;
  /** Of each video of a request with these headers; undefined when they say nothing about videos. */
  readonly videoTokensOf: (header: (name: string) => string | undefined) => number | undefined;
}

/** May refuse a request before it is scheduled. */
export interface Admitter {
  /** Undefined lets it pass. */
  admit(request: RequestView, pool: PoolView): EppError | undefined;
}

/** What a plugin does over the life of a request, in this order. All run on the request's shard. */
export interface Hooks {
  /** The headers are known, nothing else. */
  onRequest?(request: RequestView): void;
  /** An endpoint is picked. Headers that it returns are set on the request to the server. */
  onPicked?(request: RequestView, picked: PickedEndpoint): readonly HeaderChange[] | undefined;
  /** The server has begun to answer. Headers that it returns are set on the response. */
  onResponse?(request: RequestView, head: ResponseHead, fleet: FleetView): readonly HeaderChange[] | undefined;
  /** The request is over, in whatever way; called exactly once. */
  onEnd?(request: RequestView, end: ResponseEnd): void;
}

export interface PickedEndpoint {
  /** Undefined for the moment in which a new endpoint is not yet known to the shard by name. */
  readonly id: string | undefined;
  readonly slot: number;
  readonly hostPort: string;
  readonly matchedBlocks: number;
  readonly blockCount: number;
}

/** Reads requests of an API that no built-in parser knows. Gets the whole body. */
export interface CustomParser {
  /** Path endings that it claims; none makes it the parser of what no other one claims. */
  readonly claims: readonly string[];
  parse(body: Buffer, header: (name: string) => string | undefined): ParsedRequest;
}

export interface ParsedRequest {
  readonly model?: string | undefined;
  /** The prompt, in any form that is equal for equal prompts; not kept. */
  readonly prompt?: string | Uint8Array | undefined;
  readonly isStream?: boolean | undefined;
}
