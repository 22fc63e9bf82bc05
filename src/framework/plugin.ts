/**
 * Contracts of plugins. A definition is a constant: a type name for configuration files, a schema for its parameters,
 * and a constructor. Built-in scorers and pickers are programs of the kernel: a plugin says which one and with what
 * parameters, and never sees memory.
 */
import type { z } from "zod";
import type { ScorerProgram } from "../wasm/policies.ts";
import type { DataKey } from "./attributes.ts";

export type Stability = "stable" | "alpha" | "deprecated";

export interface DataNeeds {
  readonly required: readonly DataKey[];
  readonly optional?: readonly DataKey[];
}

interface DefinitionBase<Parameters> {
  /** Name in configuration files; the Go picker's where it has one. */
  readonly type: string;
  readonly stability: Stability;
  /** One sentence for the plugin table. */
  readonly summary: string;
  /** Unknown fields are a load error. */
  readonly parameters: z.ZodType<Parameters>;
}

/** Prefers some candidates: one score in [0, 1] each, multiplied by the profile's weight and summed. */
export interface ScorerDefinition<Parameters> extends DefinitionBase<Parameters> {
  readonly kind: "scorer";
  readonly consumes: DataNeeds;
  create(parameters: Parameters): Scorer;
}

export interface Scorer {
  readonly program: ScorerProgram;
}

/** Chooses among the scored candidates. */
export interface PickerDefinition<Parameters> extends DefinitionBase<Parameters> {
  readonly kind: "picker";
  create(parameters: Parameters): Picker;
}

export interface Picker {
  /** `layout.PICKER_…` */
  readonly program: number;
  /** Endpoints that a pick names: the picked one and those to fall back to. */
  readonly targetsMax: number;
}

/** Decides which profiles run for a request, and which result is the answer. */
export interface ProfileHandlerDefinition<Parameters> extends DefinitionBase<Parameters> {
  readonly kind: "profile-handler";
  create(parameters: Parameters): ProfileHandler;
}

export interface ProfileHandler {
  /** Throws a ConfigError when the configured profiles are not what this handler can run. */
  checkProfiles(profileNames: readonly string[]): void;
}

/** Supplies data that scorers consume. */
export interface ProducerDefinition<Parameters> extends DefinitionBase<Parameters> {
  readonly kind: "producer";
  readonly produces: readonly DataKey[];
  create(parameters: Parameters): Producer;
}

export interface Producer {
  /** Set by a producer of prefix matches: how prompts are cut, and how much each endpoint is taken to hold. */
  readonly prefixCache?: PrefixCacheShape;
}

export interface PrefixCacheShape {
  readonly blockSizeTokens: number;
  readonly blocksMax: number;
  /** Blocks that one endpoint is taken to hold; the least recently used go first. */
  readonly blocksPerEndpointMax: number;
}

/** Any definition, whatever its parameters are: the registry checks them by the definition's own schema. */
export type PluginDefinition =
  | ScorerDefinition<unknown>
  | PickerDefinition<unknown>
  | ProfileHandlerDefinition<unknown>
  | ProducerDefinition<unknown>;
