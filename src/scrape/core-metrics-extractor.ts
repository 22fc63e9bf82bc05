/**
 * The extractor that reads an endpoint's load out of its metrics: under which names, the endpoint's engine says, and a
 * configuration may say it of engines of its own.
 */
import { z } from "zod";
import { ConfigError } from "../base/errors.ts";
import { endpointAttribute } from "../framework/attribute-keys.ts";
import type { EngineMetrics, SeriesSpec } from "../framework/data-sources.ts";
import type { PluginDefinition } from "../framework/plugin.ts";
import { layout } from "../wasm/layout.ts";
import { BUILTIN_ENGINES, DEFAULT_ENGINE, ENGINE_LABEL_KEY, ENGINE_LABEL_KEY_FALLBACK } from "./engines/built-in.ts";
import { parseSeriesSpec } from "./series-spec.ts";

/** Would be ambiguous: every endpoint without a label runs the default engine. */
const RESERVED_NAME = "default";
/** Series of one engine besides its custom metrics. */
const CORE_SERIES_MAX = 7;
const CUSTOM_METRICS_MAX: number = layout.EXPOSITION_SERIES_MAX - CORE_SERIES_MAX;

interface EngineParameters {
  readonly name: string;
  readonly queuedRequestsSpec?: string | undefined;
  readonly runningRequestsSpec?: string | undefined;
  readonly kvUsageSpec?: string | undefined;
  readonly loraSpec?: string | undefined;
  readonly cacheInfoSpec?: string | undefined;
  readonly cacheBlockSizeLabelName?: string | undefined;
  readonly cacheNumBlocksLabelName?: string | undefined;
  readonly cacheBlockSizeSpec?: string | undefined;
  readonly cacheNumBlocksSpec?: string | undefined;
  readonly customMetrics?: readonly { readonly attributeKey: string; readonly metricSpec: string }[] | undefined;
}

export interface CoreMetricsParameters {
  readonly engineLabelKey: string;
  readonly defaultEngine: string;
  readonly engineConfigs: readonly EngineParameters[];
  readonly sumSeries: boolean;
}

const spec = (what: string): z.ZodOptional<z.ZodString> =>
  z.string().optional().describe(`Series of ${what}: name or name{label=value,…}. Unknown when absent.`);
const label = (what: string, byDefault: string): z.ZodOptional<z.ZodString> =>
  z.string().optional().describe(`Label of cacheInfoSpec that says ${what}; ${byDefault}, vLLM's, when absent.`);

const engineParameters = z.strictObject({
  name: z.string().min(1, "must be a name").describe("Value of the label that names the engine."),
  queuedRequestsSpec: spec("waiting requests"),
  runningRequestsSpec: spec("running requests"),
  kvUsageSpec: spec("the fraction of KV cache blocks in use, 0 to 1"),
  loraSpec: spec("LoRA adapters, whose labels say which run and wait"),
  cacheInfoSpec: spec("the KV cache's configuration, whose labels are the information"),
  cacheBlockSizeLabelName: label("tokens per block", "block_size"),
  cacheNumBlocksLabelName: label("how many blocks there are", "num_gpu_blocks"),
  cacheBlockSizeSpec: spec("tokens per KV cache block, where a gauge says it"),
  cacheNumBlocksSpec: spec("KV cache blocks, where a gauge says it"),
  customMetrics: z
    .array(
      z.strictObject({
        attributeKey: z.string().min(1, "must be a name").describe("Name by which plugins know the number."),
        metricSpec: z.string().describe("Series of the number: name or name{label=value,…}."),
      }),
    )
    .max(CUSTOM_METRICS_MAX)
    .optional()
    .describe("Further numbers, for plugins that go by attributes."),
});

export const coreMetricsExtractor: PluginDefinition<CoreMetricsParameters> = {
  type: "core-metrics-extractor",
  stability: "stable",
  summary: "Reads queue, running requests, KV cache, adapters and custom metrics, by engine.",
  facets: ["extractor"],
  parameters: z.strictObject({
    engineLabelKey: z
      .string()
      .min(1, "must be a label")
      .default(ENGINE_LABEL_KEY)
      .describe("Label of an endpoint that names its engine."),
    defaultEngine: z
      .string()
      .min(1, "must be a name")
      .default(DEFAULT_ENGINE)
      .describe("Engine of an endpoint without that label, or with a value that names none."),
    engineConfigs: z
      .array(engineParameters)
      .max(layout.EXPOSITION_TABLES_MAX - BUILTIN_ENGINES.length)
      .default([])
      .describe("Engines besides the built-in ones, or in place of those with the same names."),
    sumSeries: z.boolean().default(false).describe("Add up the ranks of one exposition; a usage is their mean. Ours."),
  }),
  produces: ({ engineConfigs }) =>
    engineConfigs.flatMap(({ customMetrics = [] }) => {
      return customMetrics.map(({ attributeKey }) => endpointAttribute(attributeKey));
    }),
  create: ({ engineLabelKey, defaultEngine, engineConfigs, sumSeries }) => {
    const engines = mergeEngines(engineConfigs.map(readEngine));
    if (!engines.some(({ name }) => name === defaultEngine)) {
      const known = engines.map(({ name }) => name).join(", ");
      throw new ConfigError(`defaultEngine "${defaultEngine}" is no engine; engines: ${known}`);
    }
    const engineLabelKeys = [...new Set([engineLabelKey, ENGINE_LABEL_KEY_FALLBACK])];
    return { extractor: { kind: "core-metrics", engineLabelKeys, defaultEngine, engines, sumsSeries: sumSeries } };
  },
};

/** An engine of the configuration replaces a built-in one of its name as a whole. */
function mergeEngines(configured: readonly EngineMetrics[]): readonly EngineMetrics[] {
  const names = new Set<string>();
  for (const { name } of configured) {
    if (name === RESERVED_NAME) {
      throw new ConfigError(`an engine cannot be named "${RESERVED_NAME}"; name it after its kind of server`);
    }
    if (names.has(name)) throw new ConfigError(`engine "${name}" is configured twice`);
    names.add(name);
  }
  return [...BUILTIN_ENGINES.filter(({ name }) => !names.has(name)), ...configured];
}

function readEngine(engine: EngineParameters): EngineMetrics {
  const series = (parameter: string, text: string | undefined): SeriesSpec | undefined => {
    if (text === undefined || text === "") return undefined;
    try {
      return parseSeriesSpec(text);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new ConfigError(`engine "${engine.name}", ${parameter}: ${error.message}`, { cause: error });
    }
  };
  const cacheInfo = series("cacheInfoSpec", engine.cacheInfoSpec);
  const attributes = (engine.customMetrics ?? []).map(({ attributeKey, metricSpec }) => {
    const found = series(`customMetrics "${attributeKey}"`, metricSpec);
    if (found === undefined) throw new ConfigError(`engine "${engine.name}": "${attributeKey}" has no metricSpec`);
    return { attribute: attributeKey, series: found };
  });
  const twice = attributes.find(({ attribute }, at) => attributes.findIndex((a) => a.attribute === attribute) !== at);
  if (twice !== undefined) {
    throw new ConfigError(`engine "${engine.name}": customMetrics has "${twice.attribute}" twice`);
  }
  return {
    name: engine.name,
    queueDepthRequests: series("queuedRequestsSpec", engine.queuedRequestsSpec),
    runningRequests: series("runningRequestsSpec", engine.runningRequestsSpec),
    kvCacheUsageFraction: series("kvUsageSpec", engine.kvUsageSpec),
    adapters: series("loraSpec", engine.loraSpec),
    cacheInfo: cacheInfo && {
      series: cacheInfo,
      blockSizeLabel: engine.cacheBlockSizeLabelName ?? "block_size",
      blockCountLabel: engine.cacheNumBlocksLabelName ?? "num_gpu_blocks",
    },
    cacheBlockSizeTokens: series("cacheBlockSizeSpec", engine.cacheBlockSizeSpec),
    cacheBlockCount: series("cacheNumBlocksSpec", engine.cacheNumBlocksSpec),
    attributes,
  };
}
