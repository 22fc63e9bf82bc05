/** Prefers the endpoint that a request's session is bound to. */
import type { PluginDefinition } from "../../framework/plugin.ts";
import {
  type SessionAffinityParameters,
  sessionAffinityParameters,
  sessionHeaders,
  sessionKeyOf,
  sessionNeeds,
  tokenEndpoints,
  tokenHooks,
  warnOfSessionParameters,
} from "../session-affinity.ts";

/** 1 for the session's endpoint, 0 for the others, and for all when the request names no session. */
export const sessionAffinityScorer: PluginDefinition<SessionAffinityParameters> = {
  type: "session-affinity-scorer",
  stability: "experimental",
  summary: "Prefers the endpoint that the request's session is bound to.",
  facets: ["scorer", "hook"],
  consumes: sessionNeeds,
  parameters: sessionAffinityParameters,
  create: (parameters, context) => {
    warnOfSessionParameters(parameters, context);
    const headers = sessionHeaders(parameters);
    if (parameters.strategy === "session_id") {
      const sessionSecondsMax = parameters.sessionIdConfig.evictionTtlSeconds;
      return { headers, scorer: { op: "session", sessionKey: sessionKeyOf(parameters), sessionSecondsMax } };
    }
    const { header } = parameters.encodedEndpointHeaderConfig;
    return {
      headers,
      scorer: { op: "requestMask", requestMask: tokenEndpoints(header) },
      hooks: tokenHooks(header, context.name),
    };
  },
};
