/**
 * What a configuration document may say: the Go picker's schema, strict. Unknown and repeated fields are faults.
 * Defaults are not here: `complete.ts` fills them in, since some depend on other parts.
 */
import { z } from "zod";
import { TIMER_DELAY_MS_MAX } from "../base/clock.ts";
import { parseDuration } from "../base/duration.ts";
import { parseQuantity } from "../base/quantity.ts";
import { RESPONSE_BODY_HANDLINGS, type ResponseBodyHandling } from "./config.ts";

export const API_VERSION = "llm-d.ai/v1alpha1";
/** Accepted with a warning. */
export const API_VERSION_DEPRECATED = "inference.networking.x-k8s.io/v1alpha1";
export const KIND = "EndpointPickerConfig";

export interface ReferenceDocument {
  readonly pluginRef: string;
}

/** Sizes in bytes. */
export interface BandDocument {
  readonly priority?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly maxRequests?: number | undefined;
  readonly fairnessPolicyRef?: string | undefined;
  readonly orderingPolicyRef?: string | undefined;
}

/** Times in ms. */
export interface FlowControlDocument {
  readonly maxBytes?: number | undefined;
  readonly maxRequests?: number | undefined;
  readonly defaultRequestTTL?: number | undefined;
  readonly noEndpointRequestTTL?: number | undefined;
  readonly defaultPriorityBand?: BandDocument | undefined;
  readonly defaultNegativePriorityBand?: BandDocument | undefined;
  readonly priorityBands?: readonly (BandDocument & { readonly priority: number })[] | null | undefined;
  readonly usageLimitPolicyPluginRef?: string | undefined;
  readonly saturationDetector?: ReferenceDocument | undefined;
  readonly enableEviction?: boolean | undefined;
}

export interface DataSourceDocument extends ReferenceDocument {
  readonly extractors?: readonly ReferenceDocument[] | null | undefined;
}

export interface DataLayerDocument {
  readonly injectDefaults?: boolean | undefined;
  readonly sources?: readonly DataSourceDocument[] | null | undefined;
  readonly discovery?: ReferenceDocument | undefined;
  readonly peerDiscovery?: ReferenceDocument | undefined;
  readonly crossReplicaSyncerPluginRef?: string | undefined;
  readonly crossReplicaSyncInterval?: number | undefined;
}

export interface PluginDocument {
  readonly name?: string | undefined;
  readonly type: string;
  readonly parameters?: Readonly<Record<string, unknown>> | null | undefined;
}

export interface ProfileDocument {
  readonly name: string;
  readonly plugins?: readonly (ReferenceDocument & { readonly weight?: number | undefined })[] | null | undefined;
}

export interface RequestHandlerDocument {
  readonly parsers?: readonly ReferenceDocument[] | null | undefined;
  /** Not the Go picker's. */
  readonly responseBody?: ResponseBodyHandling | undefined;
}

/** A document that fits the schema. */
export interface ConfigDocument {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
  readonly featureGates?: readonly string[] | null | undefined;
  readonly plugins?: readonly PluginDocument[] | null | undefined;
  readonly schedulingProfiles?: readonly ProfileDocument[] | null | undefined;
  readonly dataLayer?: DataLayerDocument | null | undefined;
  readonly flowControl?: FlowControlDocument | null | undefined;
  readonly requestHandler?: RequestHandlerDocument | null | undefined;
  readonly saturationDetector?: ReferenceDocument | null | undefined;
  readonly parser?: ReferenceDocument | null | undefined;
}

/** Entries of any list in a document. Far above what any deployment has. */
const LIST_SIZE_MAX = 256;

/** The text for a value that is no map; an unknown key in a map keeps the schema library's own. */
const wrongShape = (rule: string): { error: (issue: { code?: string | undefined }) => string | undefined } => ({
  error: ({ code }) => (code === "unrecognized_keys" ? undefined : rule),
});

const nameRule = "must be a non-empty text";
const name = z.string({ error: nameRule }).min(1, nameRule);

const list = <Item>(item: z.ZodType<Item>): z.ZodType<Item[]> =>
  z.array(item, { error: "must be a list" }).max(LIST_SIZE_MAX, `must have at most ${LIST_SIZE_MAX} entries`);

const reference = z.strictObject({ pluginRef: name }, wrongShape("must be a map like {pluginRef: <name of a plugin>}"));

/** Milliseconds. */
const duration = z.string({ error: "must be a duration like 60s, 200ms or 1m30s" }).transform((text, context) => {
  const durationMs = parseDuration(text);
  if (durationMs !== undefined && durationMs >= 0 && durationMs <= TIMER_DELAY_MS_MAX) return durationMs;
  context.addIssue({ code: "custom", message: "must be a duration from 0s to 596h, like 60s, 200ms or 1m30s" });
  return z.NEVER;
});

const quantityRule = "must be a quantity from 0 on, like 5000, 16M or 4Gi";
const quantity = z.union([z.string(), z.number()], { error: quantityRule }).transform((given, context) => {
  const value = parseQuantity(given);
  if (value !== undefined && value >= 0) return value;
  context.addIssue({ code: "custom", message: quantityRule });
  return z.NEVER;
});

const pluginSchema = z.strictObject({
  name: name.optional(),
  type: name,
  parameters: z.record(z.string(), z.unknown(), { error: "must be a map" }).nullish(),
});

const profileSchema = z.strictObject({
  name,
  plugins: list(
    z.strictObject({
      pluginRef: name,
      weight: z.number({ error: "must be a finite number" }).optional(),
    }),
  ).nullish(),
});

const bandFields = {
  maxBytes: quantity.optional(),
  maxRequests: quantity.optional(),
  fairnessPolicyRef: name.optional(),
  orderingPolicyRef: name.optional(),
};

const flowControlSchema = z.strictObject({
  maxBytes: quantity.optional(),
  maxRequests: quantity.optional(),
  defaultRequestTTL: duration.optional(),
  noEndpointRequestTTL: duration.optional(),
  defaultPriorityBand: z.strictObject({ priority: z.int().optional(), ...bandFields }).optional(),
  defaultNegativePriorityBand: z.strictObject({ priority: z.int().optional(), ...bandFields }).optional(),
  priorityBands: list(
    z.strictObject({ priority: z.int({ error: "must be a whole number" }), ...bandFields }),
  ).nullish(),
  usageLimitPolicyPluginRef: name.optional(),
  saturationDetector: reference.optional(),
  enableEviction: z.boolean({ error: "must be true or false" }).optional(),
});

const dataLayerSchema = z.strictObject({
  injectDefaults: z.boolean({ error: "must be true or false" }).optional(),
  sources: list(z.strictObject({ pluginRef: name, extractors: list(reference).nullish() })).nullish(),
  discovery: reference.optional(),
  peerDiscovery: reference.optional(),
  crossReplicaSyncerPluginRef: name.optional(),
  crossReplicaSyncInterval: duration.optional(),
});

const requestHandlerSchema = z.strictObject({
  parsers: list(reference).nullish(),
  responseBody: z
    .enum(RESPONSE_BODY_HANDLINGS, { error: `must be ${RESPONSE_BODY_HANDLINGS.join(" or ")}` })
    .optional(),
});

export const documentSchema: z.ZodType<ConfigDocument> = z.strictObject(
  {
    apiVersion: z.enum([API_VERSION, API_VERSION_DEPRECATED], { error: `must be ${API_VERSION}` }).optional(),
    kind: z.literal(KIND, { error: `must be ${KIND}` }).optional(),
    featureGates: list(name).nullish(),
    plugins: list(pluginSchema).nullish(),
    schedulingProfiles: list(profileSchema).nullish(),
    dataLayer: dataLayerSchema.nullish(),
    flowControl: flowControlSchema.nullish(),
    requestHandler: requestHandlerSchema.nullish(),
    saturationDetector: reference.nullish(),
    parser: reference.nullish(),
  },
  wrongShape(`must be a document of kind ${KIND}`),
);
