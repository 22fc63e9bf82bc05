/** Scheduling profiles: what a document says of them, and what is added where it says nothing. */
import type { Facet } from "../framework/plugin.ts";
import type { ConfigPath, Origin, ProfilePlugin, SchedulingProfile } from "./config.ts";
import { DEFAULT_TYPES, SCORER_WEIGHT_DEFAULT } from "./defaults.ts";
import { fromDocument, type InstanceTable } from "./instance-table.ts";
import type { ConfigDocument } from "./schema.ts";

const PROFILE_FACETS: readonly Facet[] = ["filter", "scorer", "picker"];

export function readProfiles(table: InstanceTable, { schedulingProfiles }: ConfigDocument): SchedulingProfile[] {
  if ((schedulingProfiles ?? []).length === 0) return [implicitProfile(table)];
  const names = new Set<string>();
  return (schedulingProfiles ?? []).map(({ name, plugins }, index) => {
    const path: ConfigPath = ["schedulingProfiles", index];
    if (names.has(name)) table.fail([...path, "name"], `"${name}" is the name of an earlier profile, too`);
    names.add(name);
    const entries = (plugins ?? []).map((entry, position) =>
      readProfilePlugin(table, entry, [...path, "plugins", position]),
    );
    return { name, plugins: withPicker(table, entries, path), origin: fromDocument(path) };
  });
}

function readProfilePlugin(
  table: InstanceTable,
  { pluginRef, weight }: { pluginRef: string; weight?: number | undefined },
  path: ConfigPath,
): ProfilePlugin {
  table.refer([...path, "pluginRef"], pluginRef, [...PROFILE_FACETS, "profile-handler"]);
  const isScorer = table.hasFacet(pluginRef, "scorer");
  if (table.hasFacet(pluginRef, "profile-handler")) {
    table.warn(path, `"${pluginRef}" is a profile handler: it has no effect inside a profile`);
  } else if (weight !== undefined && !isScorer && table.isUsable(pluginRef)) {
    table.warn([...path, "weight"], `"${pluginRef}" is no scorer: its weight has no effect`);
  }
  const origin = fromDocument(path);
  return isScorer ? { pluginRef, weight: weight ?? SCORER_WEIGHT_DEFAULT, origin } : { pluginRef, origin };
}

/** Every filter, scorer and picker, in the order of the document. */
function implicitProfile(table: InstanceTable): SchedulingProfile {
  const reason = "no schedulingProfiles are given: one profile of all filters, scorers and pickers";
  const origin: Origin = { kind: "default", reason };
  const entries: ProfilePlugin[] = [];
  for (const name of table.names) {
    const isOne = PROFILE_FACETS.some((facet) => table.hasFacet(name, facet));
    if (!isOne || table.hasFacet(name, "saturation-detector")) continue;
    const weight = table.hasFacet(name, "scorer") ? { weight: SCORER_WEIGHT_DEFAULT } : {};
    entries.push({ pluginRef: name, ...weight, origin });
  }
  return { name: "default", plugins: withPicker(table, entries, ["plugins"]), origin };
}

function withPicker(
  table: InstanceTable,
  entries: readonly ProfilePlugin[],
  path: ConfigPath,
): readonly ProfilePlugin[] {
  const pickers = entries.filter(({ pluginRef }) => table.hasFacet(pluginRef, "picker"));
  if (pickers.length > 1) {
    const names = pickers.map(({ pluginRef }) => `"${pluginRef}"`).join(" and ");
    table.fail(path, `has ${pickers.length} pickers, ${names}; keep one`);
  }
  if (pickers.length > 0) return entries;
  const configured = table.names.find((name) => table.hasFacet(name, "picker"));
  const reason = "the profile has no picker: ";
  if (configured !== undefined) {
    return [...entries, { pluginRef: configured, origin: { kind: "default", reason: `${reason}the configured one` } }];
  }
  const pluginRef = table.ensure(DEFAULT_TYPES.picker, `${reason}the highest total wins`);
  return [...entries, { pluginRef, origin: { kind: "default", reason: `${reason}the highest total wins` } }];
}

export function readProfileHandler(table: InstanceTable, profiles: readonly SchedulingProfile[]): void {
  const handlers = table.names.filter((name) => table.hasFacet(name, "profile-handler"));
  if (handlers.length > 1) {
    table.fail(["plugins"], `has ${handlers.length} profile handlers, ${handlers.join(" and ")}; keep one`);
  }
  if (handlers.length > 0) return;
  if (profiles.length > 1) {
    const names = profiles.map(({ name }) => name).join(", ");
    table.fail(["plugins"], `has no profile handler, but there are ${profiles.length} profiles (${names}); add one`);
    return;
  }
  table.ensure(DEFAULT_TYPES.profileHandler, "there is one profile, and no profile handler is given");
}
