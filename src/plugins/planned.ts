/**
 * Types that configurations of the Go picker may name and that are not available yet: refused as known, with what to do
 * instead. Together with the built-in plugins they are all the types there are.
 */
import type { Facet, Stability } from "../framework/plugin.ts";
import type { PlannedPlugin } from "../framework/registry.ts";

/** A row: type, facets, what it is, what to do instead. */
type Row = readonly [type: string, facets: readonly Facet[], summary: string, instead: string];

const NO_DISAGGREGATION = "use single-profile-handler, with servers that do prefill and decode";
const NO_PREDICTION = "use queue-scorer, kv-cache-utilization-scorer and token-load-scorer";
const NO_MULTICLUSTER = "run a picker in each cluster and balance between clusters before it";
const NO_TOPOLOGY = "use label-selector-filter with the label of the zone or rack";

const STABLE: readonly Row[] = [
  [
    "data-parallel-profile-handler",
    ["profile-handler"],
    "Sends a request to one port and names the rank's in a header.",
    "use single-profile-handler and list every rank's port as an endpoint",
  ],
  [
    "disagg-profile-handler",
    ["profile-handler"],
    "Runs encode, prefill and decode on servers of their own.",
    NO_DISAGGREGATION,
  ],
  ["disagg-headers-handler", ["hook"], "Writes the headers of disaggregated serving.", NO_DISAGGREGATION],
  ["always-disagg-pd-decider", ["decider"], "Lets every request prefill on a server of its own.", NO_DISAGGREGATION],
  [
    "prefix-based-pd-decider",
    ["decider"],
    "Lets long uncached prompts prefill on a server of their own.",
    NO_DISAGGREGATION,
  ],
  [
    "always-disagg-multimodal-decider",
    ["decider"],
    "Lets requests with images be encoded on a server of its own.",
    NO_DISAGGREGATION,
  ],
  ["slo-headroom-tier-filter", ["filter"], "Keeps endpoints that are predicted to answer in time.", NO_PREDICTION],
  ["latency-scorer", ["scorer"], "Prefers endpoints by predicted latency.", NO_PREDICTION],
  ["predicted-latency-producer", ["producer"], "Asks a model for the latency of each endpoint.", NO_PREDICTION],
  [
    "latency-slo-admitter",
    ["admitter"],
    "Refuses sheddable requests that would be late.",
    "use probabilistic-admitter",
  ],
  [
    "precise-prefix-cache-producer",
    ["producer"],
    "Follows what engines hold by their KV events.",
    "use approx-prefix-cache-producer",
  ],
  [
    "mm-embeddings-cache-producer",
    ["producer"],
    "Remembers which images each endpoint has seen.",
    "leave it out: images are part of the prompt's blocks",
  ],
  [
    "mm-embeddings-cache-scorer",
    ["scorer"],
    "Prefers endpoints that have seen the request's images.",
    "use prefix-cache-scorer: images are part of the prompt's blocks",
  ],
  [
    "request-attribute-reporter",
    ["hook"],
    "Writes expressions over token usage to the proxy's metadata.",
    "leave it out and read the picker's metrics",
  ],
  [
    "k8s-notification-source",
    ["data-source"],
    "Follows objects of a Kubernetes cluster.",
    "leave it out and list the endpoints in a file",
  ],
];

const EXPERIMENTAL: readonly Row[] = [
  [
    "header-profile-handler",
    ["profile-handler"],
    "Runs the profile that a header names.",
    "run one picker per profile, with single-profile-handler",
  ],
  ["topology-affinity-filter", ["filter"], "Keeps endpoints near the one of the stage before.", NO_TOPOLOGY],
  ["topology-affinity-scorer", ["scorer"], "Prefers endpoints near the one of the stage before.", NO_TOPOLOGY],
  ["topology-extractor", ["extractor"], "Reads where an endpoint stands from its labels.", NO_TOPOLOGY],
  [
    "burst-prefix-cache-producer",
    ["producer"],
    "Holds requests shortly to send equal prefixes together.",
    "use approx-prefix-cache-producer: a pick is seen by the next one at once",
  ],
  ["p2p-source-producer", ["producer"], "Names the endpoint to copy a prompt's cache from.", "leave it out"],
  [
    "disaggregatedset-rollout-screener",
    ["screener"],
    "Keeps a request on one revision of a rollout.",
    "use label-selector-filter with the label of the revision",
  ],
  ["dcgm-data-source", ["data-source"], "Scrapes the GPU exporter of an endpoint.", "leave it out: no scorer needs it"],
  ["dcgm-extractor", ["extractor"], "Reads the GPU utilization of an endpoint.", "leave it out: no scorer needs it"],
  [
    "multicluster-session-affinity-filter",
    ["filter"],
    "Keeps the cluster that a session is bound to.",
    NO_MULTICLUSTER,
  ],
  ["multicluster-queue-scorer", ["scorer"], "Prefers clusters with short queues.", NO_MULTICLUSTER],
  ["multicluster-kv-cache-utilization-scorer", ["scorer"], "Prefers clusters with free KV cache.", NO_MULTICLUSTER],
  [
    "multicluster-prefix-cache-scorer",
    ["scorer"],
    "Prefers clusters that hold the prompt's beginning.",
    NO_MULTICLUSTER,
  ],
  [
    "multicluster-approx-prefix-cache-producer",
    ["producer"],
    "Remembers which prompts a cluster was picked for.",
    NO_MULTICLUSTER,
  ],
  ["multicluster-metrics-data-source", ["data-source"], "Scrapes the pickers of other clusters.", NO_MULTICLUSTER],
  ["multicluster-metrics-extractor", ["extractor"], "Reads the load of other clusters.", NO_MULTICLUSTER],
  ["multicluster-file-discovery", ["discovery"], "Reads the pickers of other clusters from a file.", NO_MULTICLUSTER],
];

const DEPRECATED: readonly Row[] = [
  ["pd-profile-handler", ["profile-handler"], "Old handler of prefill and decode.", NO_DISAGGREGATION],
  ["prefill-header-handler", ["hook"], "Old name of disagg-headers-handler.", NO_DISAGGREGATION],
  [
    "precise-prefix-cache-scorer",
    ["scorer"],
    "Old form of precise-prefix-cache-producer with prefix-cache-scorer.",
    "use prefix-cache-scorer with approx-prefix-cache-producer",
  ],
];

export const PLANNED_PLUGINS: readonly PlannedPlugin[] = [
  ...planned(STABLE, "stable"),
  ...planned(EXPERIMENTAL, "experimental"),
  ...planned(DEPRECATED, "deprecated"),
];

function planned(rows: readonly Row[], stability: Stability): PlannedPlugin[] {
  return rows.map(([type, facets, summary, instead]) => ({ type, stability, facets, summary, instead }));
}
