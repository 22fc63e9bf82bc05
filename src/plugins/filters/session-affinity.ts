/** Keeps the endpoint that a request's session is bound to. */
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

/** Keeps all when the request names no session, or the session's endpoint is no candidate. */
export const sessionAffinityFilter: PluginDefinition<SessionAffinityParameters> = {
  type: "session-affinity-filter",
  stability: "experimental",
  summary: "Keeps the endpoint that the request's session is bound to, if it is a candidate; else all.",
  facets: ["filter", "hook"],
  consumes: sessionNeeds,
  parameters: sessionAffinityParameters,
  create: (parameters, context) => {
    warnOfSessionParameters(parameters, context);
    const headers = sessionHeaders(parameters);
    if (parameters.strategy === "session_id") {
      const sessionSecondsMax = parameters.sessionIdConfig.evictionTtlSeconds;
      return { headers, filter: { op: "sessionOrAll", sessionKey: sessionKeyOf(parameters), sessionSecondsMax } };
    }
    const { header } = parameters.encodedEndpointHeaderConfig;
    return {
      headers,
      filter: { op: "requestMaskOrAll", requestMask: tokenEndpoints(header) },
      hooks: tokenHooks(header, context.name),
    };
  },
};
