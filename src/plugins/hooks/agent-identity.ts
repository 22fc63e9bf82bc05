/** Finds the session of a coding agent, from the header that the agent sends, so that its requests share one queue. */
import { z } from "zod";
import { agentIdentity } from "../../framework/attributes.ts";
import { headerName } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface AgentIdentityParameters {
  /** Headers that are looked at before the known ones. */
  readonly additionalSessionHeaders: readonly string[];
}

/** Claude Code; OpenCode; Codex, today and before. */
const SESSION_HEADERS: readonly string[] = [
  "x-claude-code-session-id",
  "x-session-affinity",
  "session-id",
  "session_id",
];

/** Headers that may be added. */
const ADDITIONAL_HEADERS_MAX = 32;

/** The first header that is not empty counts. A request without a fairness id takes the identity for one. */
export const agentIdentityPlugin: PluginDefinition<AgentIdentityParameters> = {
  type: "agent-identity",
  stability: "experimental",
  summary: "Finds the session of a coding agent in its headers; it becomes the fairness id of a request without one.",
  facets: ["hook"],
  produces: () => [agentIdentity],
  parameters: z.strictObject({
    additionalSessionHeaders: z
      .array(headerName)
      .max(ADDITIONAL_HEADERS_MAX)
      .default([])
      .meta({ description: "headers that are looked at first" }),
  }),
  create: ({ additionalSessionHeaders }) => {
    const headers = [...new Set([...additionalSessionHeaders, ...SESSION_HEADERS])];
    return {
      headers,
      hooks: {
        onRequest(request) {
          for (const header of headers) {
            const identity = request.header(header);
            if (identity === undefined || identity === "") continue;
            request.setAttribute(agentIdentity, identity);
            return;
          }
        },
      },
    };
  },
};
