/** The built-in configuration as it is after completion, as far as scheduling goes: for tests that compile it. */
import type { SchedulingConfig } from "../../src/config/config.ts";

export const DEFAULT_CONFIG: SchedulingConfig = {
  plugins: [
    { name: "single-profile-handler", type: "single-profile-handler", parameters: {} },
    { name: "approx-prefix-cache-producer", type: "approx-prefix-cache-producer", parameters: {} },
    { name: "queue-scorer", type: "queue-scorer", parameters: {} },
    { name: "kv-cache-utilization-scorer", type: "kv-cache-utilization-scorer", parameters: {} },
    { name: "prefix-cache-scorer", type: "prefix-cache-scorer", parameters: {} },
    { name: "max-score-picker", type: "max-score-picker", parameters: {} },
  ],
  schedulingProfiles: [
    {
      name: "default",
      plugins: [
        { pluginRef: "queue-scorer", weight: 2 },
        { pluginRef: "kv-cache-utilization-scorer", weight: 2 },
        { pluginRef: "prefix-cache-scorer", weight: 3 },
        { pluginRef: "max-score-picker" },
      ],
    },
  ],
};
