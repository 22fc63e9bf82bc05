/**
 * The pages of the metrics port: paths and what they are for, once. `/debug/` lists them, `docs/health.md` shows them,
 * and documents may name no others.
 */

export interface PageEntry {
  readonly path: string;
  /** One line. */
  readonly summary: string;
  /** Answered also while the picker starts; others say 503 until it serves. */
  readonly isEarly: boolean;
}

type PageTable = Readonly<
  Record<
    | "metrics"
    | "health"
    | "endpoints"
    | "pluginStates"
    | "config"
    | "cpuProfile"
    | "heapProfile"
    | "heapSnapshot"
    | "index",
    PageEntry
  >
>;

export const PAGES: PageTable = {
  metrics: { path: "/metrics", summary: "Prometheus metrics.", isEarly: true },
  health: {
    path: "/debug/health",
    summary: "Whether the picker serves, what degrades it since when and what to do about it, load of each shard.",
    isEarly: true,
  },
  endpoints: {
    path: "/debug/endpoints",
    summary: "Every endpoint: address, labels, scraped values and their age, what is in flight, blocks held.",
    isEarly: true,
  },
  pluginStates: {
    path: "/debug/plugins/state",
    summary: "State of the plugins, in the control thread and in each shard.",
    isEarly: false,
  },
  config: {
    path: "/debug/config",
    summary: "The configuration in force, with every default written out.",
    isEarly: true,
  },
  cpuProfile: {
    path: "/debug/pprof/profile",
    summary: "CPU profile of a thread: ?seconds=1…300&thread=control|shard-0…|index-writer. A .cpuprofile.",
    isEarly: false,
  },
  heapProfile: {
    path: "/debug/pprof/heap",
    summary: "What a thread allocates meanwhile and keeps: ?seconds=1…300&thread=…. A .heapprofile.",
    isEarly: false,
  },
  heapSnapshot: {
    path: "/debug/pprof/heap-snapshot",
    summary: "All that a thread holds: ?thread=…. Stops the thread, for a second per 15 MB. A .heapsnapshot.",
    isEarly: false,
  },
  index: { path: "/debug/", summary: "This list.", isEarly: true },
};
