/**
 * A plugin of your own: prefers model servers in the client's region. A header says where the client is, a label where
 * a server is.
 *
 * The default export is the plugin's definition. The picker loads the module on each of its threads and calls `create`
 * once per instance and thread. `score` runs for every request and has a millisecond (`budgetMs`): it must not wait for
 * anything. What throws or takes longer is left out of that decision, counted and logged.
 */
export default {
  type: "region-scorer",
  facets: ["scorer"],
  summary: "Prefers servers in the client's region.",

  /** Checks what the configuration gives, without `path` and `budgetMs`; what it returns goes to `create`. */
  parameters({ header = "x-client-region", label = "topology.kubernetes.io/region", ...rest }) {
    const unknown = Object.keys(rest);
    if (unknown.length > 0) throw new Error(`unknown parameters: ${unknown.join(", ")}`);
    return { header: header.toLowerCase(), label };
  },

  create({ header, label }) {
    let requestCount = 0;
    return {
      /** Only headers that stand here are kept for plugins. */
      headers: [header],

      scorer: {
        /**
         * Writes one score from 0 to 1 per candidate. A request that does not say where it comes from leaves all
         * scores unknown (NaN, as they are), and so has no influence.
         */
        score(request, candidates, scores) {
          requestCount++;
          const region = request.header(header);
          if (region === undefined) return;
          for (let position = 0; position < candidates.count; position++) {
            scores[position] = candidates.at(position).endpoint.labels[label] === region ? 1 : 0;
          }
        },
      },

      /** Shown by /debug/plugins/state. */
      dumpState: () => ({ header, label, requestCount }),
    };
  },
};
