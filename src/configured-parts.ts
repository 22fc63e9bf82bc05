/**
 * What a configuration says besides the policy: what is scraped, and where endpoints come from. The picker carries it
 * out, `epp config check` only asks whether it can be.
 */
import { ConfigError } from "./base/errors.ts";
import type { EndpointPickerConfig } from "./config/config.ts";
import type { LoadedConfig } from "./config/load.ts";
import type { CompiledPolicy } from "./scheduling/compiled-policy.ts";
import { compileScrapePlan, type PlanInstance, type ScrapeFlags, type ScrapePlan } from "./scrape/scrape-plan.ts";

export interface EndpointsFile {
  /** Empty for none. */
  readonly path: string;
  /** Read it again when it changes. */
  readonly watches: boolean;
}

/** What `work` returns. A ConfigError gets file and line of the configuration. */
export function located<Result>(configuration: LoadedConfig, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw error instanceof ConfigError ? configuration.locate(error) : error;
  }
}

/** What is scraped of every endpoint, and how. Throws a ConfigError with its path. */
export function scrapePlanOf(config: EndpointPickerConfig, policy: CompiledPolicy, flags: ScrapeFlags): ScrapePlan {
  const origins = new Map(config.plugins.map(({ name, origin }) => [name, origin]));
  const instances = policy.plugins.map(({ name, type, plugin }): [string, PlanInstance] => [
    name,
    { type, plugin, origin: origins.get(name) },
  ]);
  return compileScrapePlan(config.dataLayer, new Map(instances), flags);
}

/** The file that lists the endpoints: the configuration's, or the flag's. */
export function endpointsFileOf(
  { dataLayer: { discovery } }: EndpointPickerConfig,
  policy: CompiledPolicy,
  { path, watches }: EndpointsFile,
): EndpointsFile {
  const configured = policy.plugins.find(({ name }) => name === discovery)?.plugin.discovery;
  if (configured === undefined) {
    if (path !== "") return { path, watches };
    throw new ConfigError(
      "nothing says where the model servers are: name a file that lists them with --endpoints-file, or by a plugin " +
        "of type file-discovery in dataLayer.discovery",
    );
  }
  if (path === "") return configured;
  throw new ConfigError(`contradicts --endpoints-file=${path}; keep one of them`, { path: ["dataLayer", "discovery"] });
}
