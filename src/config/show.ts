/**
 * A configuration written out: every plugin, parameter and section with its value, and beside each default why it is
 * that. What comes out can be loaded again and means the same.
 */
import { Document, isMap, isScalar, type Node, Pair } from "yaml";
import { z } from "zod";
import { formatDuration } from "../base/duration.ts";
import type { PluginRegistry } from "../framework/registry.ts";
import type {
  EndpointPickerConfig,
  Origin,
  PluginInstance,
  PriorityBandConfig,
  ResponseBodyHandling,
} from "./config.ts";
import { API_VERSION, KIND } from "./schema.ts";

/** The document as YAML with comments, or as JSON without. */
export function showConfig(config: EndpointPickerConfig, registry: PluginRegistry, format: "yaml" | "json"): string {
  const plain = explicitDocument(config, registry);
  if (format === "json") return `${JSON.stringify(plain, undefined, 2)}\n`;
  const document = new Document(plain);
  commentOrigins(document, config);
  commentParameters(document, config, registry);
  commentResponseBody(document, config);
  return document.toString({ lineWidth: 120 });
}

function explicitDocument(config: EndpointPickerConfig, registry: PluginRegistry): Record<string, unknown> {
  const { featureGates, plugins, schedulingProfiles, dataLayer, flowControl } = config;
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    featureGates: Object.entries(featureGates).map(([gate, value]) => `${gate}=${value}`),
    plugins: plugins.map((plugin) => ({
      name: plugin.name,
      type: plugin.type,
      parameters: { ...defaultParameters(plugin, registry), ...givenParameters(plugin) },
    })),
    schedulingProfiles: schedulingProfiles.map(({ name, plugins: entries }) => ({
      name,
      plugins: entries.map(({ pluginRef, weight }) => ({ pluginRef, ...(weight !== undefined && { weight }) })),
    })),
    requestHandler: {
      parsers: config.parsers.map((pluginRef) => ({ pluginRef })),
      responseBody: config.responseBody,
    },
    dataLayer: {
      injectDefaults: false,
      sources: dataLayer.sources.map(({ pluginRef, extractors }) => ({
        pluginRef,
        extractors: extractors.map((extractor) => ({ pluginRef: extractor })),
      })),
      ...(dataLayer.discovery !== undefined && { discovery: { pluginRef: dataLayer.discovery } }),
    },
    flowControl: {
      // 0 stands for "unlimited".
      maxBytes: flowControl.bytesMax ?? 0,
      maxRequests: flowControl.requestsMax ?? 0,
      defaultRequestTTL: formatDuration(flowControl.requestTtlMs),
      noEndpointRequestTTL: formatDuration(flowControl.noEndpointRequestTtlMs),
      defaultPriorityBand: showBand(flowControl.defaultPriorityBand),
      defaultNegativePriorityBand: showBand(flowControl.defaultNegativePriorityBand),
      priorityBands: flowControl.priorityBands.map((band) => ({ priority: band.priority, ...showBand(band) })),
      usageLimitPolicyPluginRef: flowControl.usageLimitPolicy,
      saturationDetector: { pluginRef: config.saturationDetector },
      enableEviction: flowControl.enableEviction,
    },
  };
}

function showBand(band: PriorityBandConfig): Record<string, unknown> {
  return {
    maxBytes: band.bytesMax,
    maxRequests: band.requestsMax,
    fairnessPolicyRef: band.fairnessPolicy,
    orderingPolicyRef: band.orderingPolicy,
  };
}

function givenParameters({ parameters }: PluginInstance): Record<string, unknown> {
  return (parameters ?? {}) as Record<string, unknown>;
}

interface ParameterSchema {
  readonly default?: unknown;
  readonly description?: string;
}

function parameterSchemas(plugin: PluginInstance, registry: PluginRegistry): Record<string, ParameterSchema> {
  const { parameters } = registry.definitionFor(plugin);
  const schema = z.toJSONSchema(parameters, { io: "input", unrepresentable: "any" });
  return (schema.properties ?? {}) as Record<string, ParameterSchema>;
}

function defaultParameters(plugin: PluginInstance, registry: PluginRegistry): Record<string, unknown> {
  const entries = Object.entries(parameterSchemas(plugin, registry));
  return Object.fromEntries(entries.filter(([, schema]) => schema.default !== undefined).map(withDefault));
}

function withDefault([name, schema]: [string, ParameterSchema]): [string, unknown] {
  return [name, schema.default];
}

/** Says why an entry is there that the document did not have. */
function commentOrigins(document: Document, { plugins, schedulingProfiles, dataLayer }: EndpointPickerConfig): void {
  const comment = (path: readonly (string | number)[], origin: Origin | undefined): void => {
    const node = document.getIn(path, true) as Node | undefined;
    if (origin?.kind === "default" && node !== undefined) node.commentBefore = ` default: ${origin.reason}`;
  };
  for (const [index, { origin }] of plugins.entries()) comment(["plugins", index], origin);
  for (const [index, profile] of schedulingProfiles.entries()) {
    comment(["schedulingProfiles", index], profile.origin);
    if (profile.origin?.kind === "default") continue;
    for (const [position, entry] of profile.plugins.entries()) {
      comment(["schedulingProfiles", index, "plugins", position], entry.origin);
    }
  }
  for (const [index, { origin }] of dataLayer.sources.entries()) comment(["dataLayer", "sources", index], origin);
}

function commentResponseBody(document: Document, { responseBody }: EndpointPickerConfig): void {
  const section = document.get("requestHandler", true);
  if (!isMap(section)) return;
  for (const { key } of section.items) {
    if (isScalar(key) && key.value === "responseBody") key.commentBefore = ` ${RESPONSE_BODY_COMMENTS[responseBody]}`;
  }
}

const RESPONSE_BODY_COMMENTS: Readonly<Record<ResponseBodyHandling, string>> = {
  observe: "observe, the default, or skip: tokens, and times to and between them, are known from bodies alone",
  skip: "observe, the default, or skip: bodies are not looked at; docs/proxies.md says what is lost",
};

/** Says of each parameter what it is, and that it is a default where it is one. */
function commentParameters(document: Document, { plugins }: EndpointPickerConfig, registry: PluginRegistry): void {
  for (const [index, plugin] of plugins.entries()) {
    const schemas = parameterSchemas(plugin, registry);
    const given = givenParameters(plugin);
    const map = document.getIn(["plugins", index, "parameters"], true);
    if (!isMap(map)) continue;
    for (const pair of map.items) {
      if (!(pair instanceof Pair) || !isScalar(pair.key)) continue;
      const name = String(pair.key.value);
      const about = schemas[name]?.description;
      const words = [name in given ? undefined : "default", about].filter((word) => word !== undefined);
      if (words.length > 0) pair.key.commentBefore = ` ${words.join(": ")}`;
    }
  }
}
