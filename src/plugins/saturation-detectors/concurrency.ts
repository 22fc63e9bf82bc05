/** How full the pool is by the picker's own count of what is in flight. Also a filter of full endpoints. */
import { z } from "zod";
import { inFlightLoad } from "../../framework/attributes.ts";
import { producerName } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/** In the order of the kernel's numbers for them. */
const MODES = ["requests", "tokens", "hybrid"] as const;

export interface ConcurrencyDetectorParameters {
  /** Requests in flight of a full endpoint. */
  readonly maxConcurrency: number;
  /** Tokens in flight of a full endpoint. */
  readonly maxTokenConcurrency: number;
  readonly concurrencyMode: (typeof MODES)[number];
  /** Share by which the filter's limits exceed the capacity. */
  readonly headroom: number;
  readonly inFlightLoadProducerName?: string | undefined;
}

/**
 * Saturation: what is in flight over all endpoints / their capacity, in requests or in tokens; hybrid: the mean over
 * the endpoints of the greater of both ratios. 1 for an empty pool. As a filter it keeps the endpoints below capacity ×
 * (1 + headroom), which may be none. Source of the formulas: the Go picker's detector of the same type.
 */
export const concurrencyDetector: PluginDefinition<ConcurrencyDetectorParameters> = {
  type: "concurrency-detector",
  stability: "stable",
  summary: "Judges how full the pool is by what is in flight; as a filter, keeps endpoints below their capacity.",
  facets: ["saturation-detector", "filter"],
  consumes: ({ inFlightLoadProducerName }) => ({
    required: [{ key: inFlightLoad, producer: inFlightLoadProducerName }],
  }),
  parameters: z.strictObject({
    maxConcurrency: z.int().min(1).default(100).meta({ description: "requests in flight of a full endpoint" }),
    maxTokenConcurrency: z.int().min(1).default(1_000_000).meta({ description: "tokens in flight of a full endpoint" }),
    concurrencyMode: z.enum(MODES).default("requests").meta({ description: "what counts" }),
    headroom: z.number().min(0).default(0).meta({ description: "share above the capacity that the filter allows" }),
    inFlightLoadProducerName: producerName,
  }),
  create: ({ maxConcurrency, maxTokenConcurrency, concurrencyMode, headroom }) => {
    const parameters = [maxConcurrency, maxTokenConcurrency, MODES.indexOf(concurrencyMode), headroom];
    return {
      saturationDetector: { op: "concurrency", parameters },
      filter: { op: "belowConcurrency", parameters },
    };
  },
};
