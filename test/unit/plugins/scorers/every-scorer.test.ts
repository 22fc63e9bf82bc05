/** What holds for every scorer, whatever is known of the endpoints. */
import { describe, expect, it } from "vitest";
import { BUILTIN_PLUGINS } from "../../../../src/builtins.ts";
import { endpoint, NOW_MS, STALE_MS, unknownEndpoint } from "../../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../../support/kernel.ts";
import { type BedEndpoint, part, pluginBed, promptOfTokens } from "../../../support/plugin-bed.ts";

const GIVEN: Readonly<Record<string, unknown>> = {
  "header-label-affinity-scorer": { headerName: "x-tier", labelKey: "tier" },
  "endpoint-attribute-scorer": {
    attributeKey: "temperature",
    producer: "extractor",
    algorithm: { type: "linear_lower_is_better" },
  },
};

const SCORERS = BUILTIN_PLUGINS.filter(({ facets }) => facets.includes("scorer"));
const FLEETS: readonly { readonly name: string; readonly endpoints: readonly BedEndpoint[] }[] = [
  { name: "one idle endpoint", endpoints: [endpoint()] },
  { name: "one endpoint that nothing is known of", endpoints: [unknownEndpoint] },
  { name: "equal endpoints", endpoints: [endpoint(), endpoint(), endpoint()] },
  {
    name: "endpoints beyond all measure",
    endpoints: [
      endpoint({ queueDepthRequests: 1e9, kvCacheUsageFraction: 1 }),
      { ...endpoint(), runningRequests: 1e9, attributes: { temperature: 1e300 } },
      endpoint({ queueDepthRequests: 5, scrapedAtMs: NOW_MS - STALE_MS - 1 }),
      unknownEndpoint,
    ],
  },
];

describe.each(KERNEL_BUILDS)("every scorer (%s build)", (build) => {
  describe.each(SCORERS.map((definition) => [definition.type, definition] as const))("%s", (type, definition) => {
    const scorers = [part(definition, GIVEN[type] ?? {})];

    it.each(FLEETS)("gives each of $name a score from 0 to 1", ({ endpoints }) => {
      for (const request of [{}, { prompt: promptOfTokens(300) }, { prompt: promptOfTokens(2), model: "other" }]) {
        const scores = pluginBed(build, endpoints, { scorers }).scores(request);
        expect(scores).toHaveLength(endpoints.length);
        for (const score of scores) expect(score >= 0 && score <= 1, `${scores}`).toBe(true);
      }
    });

    it("has nothing to do without endpoints", () => {
      expect(pluginBed(build, [], { scorers }).decide({ prompt: "p" })).toEqual({ kind: "no-endpoints" });
    });
  });
});
