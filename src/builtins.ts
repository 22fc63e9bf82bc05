/** The list of built-in plugins: the only file that imports them all. No registration by side effect. */
import { fileDiscovery } from "./discovery/file/file-discovery-plugin.ts";
import type { PluginDefinition } from "./framework/plugin.ts";
import { PARSER_PLUGINS } from "./parsing/parser-plugins.ts";
import { probabilisticAdmitter } from "./plugins/admitters/probabilistic.ts";
import { endpointNotificationSource } from "./plugins/data-sources/endpoint-notification.ts";
import { byLabelFilter } from "./plugins/filters/by-label.ts";
import { byLabelSelectorFilter } from "./plugins/filters/by-label-selector.ts";
import { decodeFilter } from "./plugins/filters/decode.ts";
import { encodeFilter } from "./plugins/filters/encode.ts";
import { endpointAttributeFilter } from "./plugins/filters/endpoint-attribute.ts";
import { headerBasedTestingFilter } from "./plugins/filters/header-based-testing.ts";
import { healthFilter } from "./plugins/filters/health.ts";
import { labelSelectorFilter } from "./plugins/filters/label-selector.ts";
import { modelFilter } from "./plugins/filters/model.ts";
import { prefillFilter } from "./plugins/filters/prefill.ts";
import { prefixCacheAffinityFilter } from "./plugins/filters/prefix-cache-affinity.ts";
import { sessionAffinityFilter } from "./plugins/filters/session-affinity.ts";
import { utilizationFilter } from "./plugins/filters/utilization.ts";
import {
  priorityThenTimeEvictionOrderPolicy,
  sheddableEvictionFilter,
} from "./plugins/flow-control/eviction-policies.ts";
import {
  globalStrictFairnessPolicy,
  programAwareFairness,
  roundRobinFairnessPolicy,
} from "./plugins/flow-control/fairness-policies.ts";
import {
  edfOrderingPolicy,
  fcfsOrderingPolicy,
  sloDeadlineOrderingPolicy,
} from "./plugins/flow-control/ordering-policies.ts";
import {
  priorityHoldbackPolicy,
  softReflectiveCeilingPolicy,
  staticUsageLimitPolicy,
} from "./plugins/flow-control/usage-limit-policies.ts";
import { agentIdentityPlugin } from "./plugins/hooks/agent-identity.ts";
import { destinationEndpointServedVerifier } from "./plugins/hooks/served-endpoint.ts";
import { maxScorePicker } from "./plugins/pickers/max-score.ts";
import { randomPicker } from "./plugins/pickers/random.ts";
import { weightedRandomPicker } from "./plugins/pickers/weighted-random.ts";
import { approxPrefixCacheProducer } from "./plugins/producers/approx-prefix-cache.ts";
import { inflightLoadProducer } from "./plugins/producers/inflight-load.ts";
import { sessionIdProducer } from "./plugins/producers/session-id.ts";
import { tokenizerProducer, tokenProducer } from "./plugins/producers/token.ts";
import { singleProfileHandler } from "./plugins/profile-handlers/single-profile.ts";
import { concurrencyDetector } from "./plugins/saturation-detectors/concurrency.ts";
import { utilizationDetector } from "./plugins/saturation-detectors/utilization.ts";
import { activeRequestScorer } from "./plugins/scorers/active-request.ts";
import { contextLengthAware } from "./plugins/scorers/context-length-aware.ts";
import { endpointAttributeScorer } from "./plugins/scorers/endpoint-attribute.ts";
import { headerLabelAffinityScorer } from "./plugins/scorers/header-label-affinity.ts";
import { kvCacheUtilizationScorer } from "./plugins/scorers/kv-cache-utilization.ts";
import { loadAwareScorer } from "./plugins/scorers/load-aware.ts";
import { loraAffinityScorer } from "./plugins/scorers/lora-affinity.ts";
import { noHitLruScorer } from "./plugins/scorers/no-hit-lru.ts";
import { prefixCacheScorer } from "./plugins/scorers/prefix-cache.ts";
import { queueDepthScorer } from "./plugins/scorers/queue-depth.ts";
import { runningRequestsScorer } from "./plugins/scorers/running-requests.ts";
import { sessionAffinityScorer } from "./plugins/scorers/session-affinity.ts";
import { tokenLoadScorer } from "./plugins/scorers/token-load.ts";
import { coreMetricsExtractor } from "./scrape/core-metrics-extractor.ts";
import { metricsDataSource } from "./scrape/metrics-data-source.ts";
import { modelsDataExtractor } from "./scrape/models-data-extractor.ts";
import { modelsDataSource } from "./scrape/models-data-source.ts";

/** In the order of the plugin table. */
export const BUILTIN_PLUGINS: readonly PluginDefinition[] = [
  singleProfileHandler,
  // Scorers.
  queueDepthScorer,
  runningRequestsScorer,
  kvCacheUtilizationScorer,
  prefixCacheScorer,
  noHitLruScorer,
  loraAffinityScorer,
  loadAwareScorer,
  activeRequestScorer,
  tokenLoadScorer,
  contextLengthAware,
  sessionAffinityScorer,
  headerLabelAffinityScorer,
  endpointAttributeScorer,
  // Filters.
  labelSelectorFilter,
  decodeFilter,
  prefillFilter,
  encodeFilter,
  prefixCacheAffinityFilter,
  modelFilter,
  healthFilter,
  sessionAffinityFilter,
  utilizationFilter,
  endpointAttributeFilter,
  headerBasedTestingFilter,
  byLabelSelectorFilter,
  byLabelFilter,
  // Pickers.
  maxScorePicker,
  weightedRandomPicker,
  randomPicker,
  // Producers and hooks.
  approxPrefixCacheProducer,
  inflightLoadProducer,
  tokenProducer,
  tokenizerProducer,
  sessionIdProducer,
  agentIdentityPlugin,
  destinationEndpointServedVerifier,
  // Admission and flow control.
  probabilisticAdmitter,
  utilizationDetector,
  concurrencyDetector,
  globalStrictFairnessPolicy,
  roundRobinFairnessPolicy,
  programAwareFairness,
  fcfsOrderingPolicy,
  edfOrderingPolicy,
  sloDeadlineOrderingPolicy,
  staticUsageLimitPolicy,
  priorityHoldbackPolicy,
  softReflectiveCeilingPolicy,
  sheddableEvictionFilter,
  priorityThenTimeEvictionOrderPolicy,
  // Data layer.
  metricsDataSource,
  coreMetricsExtractor,
  modelsDataSource,
  modelsDataExtractor,
  endpointNotificationSource,
  fileDiscovery,
  // Parsers.
  ...PARSER_PLUGINS,
];
