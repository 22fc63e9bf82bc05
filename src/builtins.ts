/** The list of built-in plugins: the only file that imports them all. No registration by side effect. */
import type { PluginDefinition } from "./framework/plugin.ts";
import { maxScorePicker } from "./plugins/pickers/max-score.ts";
import { approxPrefixCacheProducer } from "./plugins/producers/approx-prefix-cache.ts";
import { singleProfileHandler } from "./plugins/profile-handlers/single-profile.ts";
import { kvCacheUtilizationScorer } from "./plugins/scorers/kv-cache-utilization.ts";
import { prefixCacheScorer } from "./plugins/scorers/prefix-cache.ts";
import { queueDepthScorer } from "./plugins/scorers/queue-depth.ts";

export const BUILTIN_PLUGINS: readonly PluginDefinition[] = [
  singleProfileHandler,
  queueDepthScorer,
  kvCacheUtilizationScorer,
  prefixCacheScorer,
  maxScorePicker,
  approxPrefixCacheProducer,
];
