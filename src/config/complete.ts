/**
 * Makes a configuration document explicit: fills in every default with its reason, resolves what it refers to, and
 * finds everything in it that cannot work. All faults are reported at once, each with its path.
 *
 * What decides between two readings of the Go picker's rules:
 * - Plugins run in the order of the document.
 * - A saturation detector is not a filter of the profile that is made when none is given.
 * - A data source of a type that is configured under any name is not added a second time.
 */

import { ConfigError } from "../base/errors.ts";
import type { EndpointPickerConfig, FeatureGates } from "./config.ts";
import { readDataLayer } from "./data-layer.ts";
import { DEFAULT_TYPES, PARSER_TYPES_DEFAULT, RESPONSE_BODY_DEFAULT } from "./defaults.ts";
import { readFlowControl } from "./flow-control.ts";
import { type Finding, type InstanceOptions, InstanceTable } from "./instance-table.ts";
import { addMissingProducers } from "./producers.ts";
import { readProfileHandler, readProfiles } from "./profiles.ts";
import { API_VERSION, API_VERSION_DEPRECATED, type ConfigDocument } from "./schema.ts";

export interface Completed {
  readonly config: EndpointPickerConfig;
  readonly warnings: readonly Finding[];
}

/** Thrown with all that is wrong. */
export class ConfigFindings extends ConfigError {
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    super(findings.map(({ message }) => message).join("\n"));
    this.findings = findings;
  }
}

/** The explicit configuration. Throws ConfigFindings when there is anything wrong with the document. */
export function completeConfig(document: ConfigDocument, options: InstanceOptions): Completed {
  const table = new InstanceTable(options);
  if (document.apiVersion === API_VERSION_DEPRECATED) {
    table.warn(["apiVersion"], `is deprecated; write ${API_VERSION}`);
  }
  table.readPlugins(document);
  const featureGates = readFeatureGates(table, document.featureGates ?? []);
  if (featureGates.flowControl) {
    table.warn(["featureGates"], "flowControl is checked, but requests are not queued yet: all pass at once");
  }
  const schedulingProfiles = readProfiles(table, document);
  readProfileHandler(table, schedulingProfiles);
  const parsers = readParsers(table, document);
  const saturationDetector = readSaturationDetector(table, document);
  const flowControl = readFlowControl(table, document.flowControl ?? {});
  const dataLayer = readDataLayer(table, document.dataLayer ?? {});
  addMissingProducers(table);
  if (table.faults.length > 0) throw new ConfigFindings(table.faults);
  const { all: plugins, warnings } = table;
  const responseBody = document.requestHandler?.responseBody ?? RESPONSE_BODY_DEFAULT;
  const scheduling = { plugins, schedulingProfiles, saturationDetector };
  return { config: { featureGates, ...scheduling, parsers, responseBody, dataLayer, flowControl }, warnings };
}

function readParsers(table: InstanceTable, { requestHandler, parser }: ConfigDocument): string[] {
  const given = requestHandler?.parsers ?? [];
  if (parser) {
    const effect = given.length > 0 ? "is ignored, since requestHandler.parsers is given" : "is deprecated";
    table.warn(["parser"], `${effect}; write requestHandler.parsers`);
  }
  if (given.length > 0) {
    return given.map(({ pluginRef }, index) =>
      table.refer(["requestHandler", "parsers", index, "pluginRef"], pluginRef, ["parser"], true),
    );
  }
  if (parser) return [table.refer(["parser", "pluginRef"], parser.pluginRef, ["parser"], true)];
  return PARSER_TYPES_DEFAULT.map((type) => table.ensure(type, "no parsers are given: the APIs of most clients"));
}

function readSaturationDetector(table: InstanceTable, { flowControl, saturationDetector }: ConfigDocument): string {
  const inFlowControl = flowControl?.saturationDetector;
  if (saturationDetector) {
    const effect = inFlowControl !== undefined ? "is ignored, since flowControl.saturationDetector is given" : "";
    table.warn(["saturationDetector"], `${effect || "is deprecated"}; write flowControl.saturationDetector`);
  }
  if (inFlowControl !== undefined) {
    const path = ["flowControl", "saturationDetector", "pluginRef"];
    return table.refer(path, inFlowControl.pluginRef, ["saturation-detector"], true);
  }
  if (saturationDetector) {
    const path = ["saturationDetector", "pluginRef"];
    return table.refer(path, saturationDetector.pluginRef, ["saturation-detector"], true);
  }
  return table.ensure(DEFAULT_TYPES.saturationDetector, "sheddable requests are refused when the pool is saturated");
}

function readFeatureGates(table: InstanceTable, gates: readonly string[]): FeatureGates {
  const values = { flowControl: false, haPopulateNonLeaderDatastore: true };
  for (const [index, gate] of gates.entries()) {
    const [name = "", value = "true"] = gate.split("=", 2);
    if (!(name in values)) {
      const known = Object.keys(values).join(", ");
      table.fail(["featureGates", index], `"${name}" is not a feature gate; gates: ${known}`);
    } else if (value !== "true" && value !== "false") {
      table.fail(["featureGates", index], `"${gate}": a gate is true or false`);
    } else {
      values[name as keyof typeof values] = value === "true";
    }
  }
  return values;
}
