/**
 * `epp config check` and `epp config show`: what a picker would make of a configuration, without starting one. Both
 * read it exactly as the picker does, user modules included.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ConfigError, messageOf } from "./base/errors.ts";
import { METRICS_STALE_MS, SCRAPE_INTERVAL_MS } from "./config/defaults.ts";
import type { ConfigSource, LoadedConfig } from "./config/load.ts";
import { showConfig } from "./config/show.ts";
import { BUILTIN_REGISTRY, loadConfiguration } from "./configuration.ts";
import { located, scrapePlanOf } from "./configured-parts.ts";
import type { PluginRegistry } from "./framework/registry.ts";
import { responseLosses } from "./response-losses.ts";
import { compilePolicy, PROGRAM_ONLY } from "./scheduling/policy.ts";

const USAGE = `Usage: epp config check <file>            says whether a configuration can be used
       epp config show [<file>]          prints it in full, with every default and its reason;
                                         the built-in configuration without a file
       epp config types                  lists the types of plugins
A file named - is standard input.

  --format yaml|json                 How show prints. Default: yaml.
  --plugin <path>                    A module with a plugin of your own. May be given again.
  --allow-experimental-plugins       Accept experimental plugins.
  --help                             Show this.
`;

const EXIT_CODE_USAGE = 2;
const STANDARD_INPUT = 0;

/** Runs the command behind `epp config`. Returns the exit code: 0, or 2 for a configuration that cannot be used. */
export async function runConfigCommand(args: readonly string[]): Promise<number> {
  try {
    process.stdout.write(await run(args));
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`epp config: ${error.message}\n`);
    return EXIT_CODE_USAGE;
  }
}

async function run(args: readonly string[]): Promise<string> {
  const { values, positionals } = parse(args);
  const [verb, file, ...rest] = positionals;
  if (values.help === true) return USAGE;
  if (rest.length > 0) throw new ConfigError(`too many arguments: ${rest.join(" ")}\n${USAGE}`);
  const load = async (): Promise<LoadedConfig> => loadChecked(sourceOf(file), values);
  switch (verb) {
    case "check": {
      if (file === undefined) throw new ConfigError(`check needs a file\n${USAGE}`);
      return describeLoaded(file, await load());
    }
    case "show": {
      const { format = "yaml" } = values;
      if (format !== "yaml" && format !== "json") throw new ConfigError(`--format: "${format}" is none of yaml, json`);
      const { config, registry } = await load();
      return showConfig(config, registry, format);
    }
    case "types":
      return listTypes(BUILTIN_REGISTRY);
    default:
      throw new ConfigError(`${verb === undefined ? "a verb is missing" : `"${verb}" is no verb`}\n${USAGE}`);
  }
}

interface CommandFlags {
  readonly help?: boolean;
  readonly format?: string;
  readonly plugin?: string[];
  readonly "allow-experimental-plugins"?: boolean;
}

function parse(args: readonly string[]): { readonly values: CommandFlags; readonly positionals: readonly string[] } {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: "boolean" },
        format: { type: "string" },
        plugin: { type: "string", multiple: true },
        "allow-experimental-plugins": { type: "boolean" },
      },
    });
  } catch (error) {
    throw new ConfigError(`${messageOf(error)}\n${USAGE}`, { cause: error });
  }
}

function sourceOf(file: string | undefined): ConfigSource {
  if (file === undefined) return { kind: "default" };
  return file === "-"
    ? { kind: "text", text: readFileSync(STANDARD_INPUT, "utf8"), name: "standard input" }
    : { kind: "file", path: file };
}

/** Loaded and compiled: what only compiling finds is a fault of the configuration, too. */
async function loadChecked(source: ConfigSource, flags: CommandFlags): Promise<LoadedConfig> {
  const loaded = await loadConfiguration(source, {
    pluginPaths: flags.plugin ?? [],
    allowExperimental: flags["allow-experimental-plugins"] === true,
  });
  const warnings = [...loaded.warnings];
  const onWarning = (plugin: string, text: string): void => void warnings.push(`plugin "${plugin}": ${text}`);
  located(loaded, () => {
    const policy = compilePolicy(loaded.config, loaded.registry, { ...PROGRAM_ONLY, onWarning });
    const flagsOfScraping = { intervalMs: SCRAPE_INTERVAL_MS, staleMs: METRICS_STALE_MS, backsOff: true };
    warnings.push(...responseLosses(policy));
    warnings.push(...scrapePlanOf(loaded.config, policy, flagsOfScraping).notes);
  });
  return { ...loaded, warnings };
}

function describeLoaded(file: string, { config, warnings }: LoadedConfig): string {
  const profiles = config.schedulingProfiles.map(({ name }) => name).join(", ");
  const added = config.plugins.filter(({ origin }) => origin?.kind === "default").length;
  const given = config.plugins.length - added;
  const lines = warnings.map((warning) => `${warning} (warning)`);
  lines.push(`${file}: can be used: ${given} plugins and ${added} added by default; profiles: ${profiles}`);
  return `${lines.join("\n")}\n`;
}

function listTypes({ definitions, planned }: PluginRegistry): string {
  const rows = [
    ...definitions.map(({ type, facets, stability, summary }) => [type, facets.join(", "), stability, summary]),
    ...planned.map(({ type, facets, summary }) => [type, facets.join(", "), "not available yet", summary]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return `${lines.join("\n")}\n`;
}
