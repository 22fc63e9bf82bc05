/** Runs the only profile once; its pick is the answer. */
import { ConfigError } from "../../base/errors.ts";
import { ignoredParameters, warnOfIgnored } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export const singleProfileHandler: PluginDefinition = {
  type: "single-profile-handler",
  stability: "stable",
  summary: "Runs the only profile; its pick is the answer.",
  facets: ["profile-handler"],
  parameters: ignoredParameters,
  create: (parameters, context) => {
    warnOfIgnored(parameters, context);
    return { profileHandler: { checkProfiles } };
  },
};

function checkProfiles(profileNames: readonly string[]): void {
  if (profileNames.length === 1) return;
  const names = `${profileNames.length}: ${profileNames.join(", ")}`;
  throw new ConfigError(`single-profile-handler runs exactly one profile, but schedulingProfiles has ${names}`);
}
