/** The data layer section: which data sources feed which extractors, and where endpoints come from. */
import { formatDuration } from "../base/duration.ts";
import type { ConfigPath, DataLayerConfig, DataSourceConfig } from "./config.ts";
import { DEFAULT_TYPES } from "./defaults.ts";
import { fromDocument, type InstanceTable } from "./instance-table.ts";
import type { DataLayerDocument, DataSourceDocument } from "./schema.ts";

export function readDataLayer(table: InstanceTable, given: DataLayerDocument): DataLayerConfig {
  const path: ConfigPath = ["dataLayer"];
  const sources = (given.sources ?? []).map((source, index) => {
    return readDataSource(table, source, [...path, "sources", index], (given.sources ?? []).slice(0, index));
  });
  const isMissing = !sources.some(({ pluginRef }) => table.typeOf(pluginRef) === DEFAULT_TYPES.dataSource);
  if (given.injectDefaults !== false && isMissing) {
    const reason = "every server's load is scraped unless dataLayer.injectDefaults is false";
    const extractor = table.ensure(DEFAULT_TYPES.extractor, reason);
    const pluginRef = table.ensure(DEFAULT_TYPES.dataSource, reason);
    sources.push({ pluginRef, extractors: [extractor], origin: { kind: "default", reason } });
  }
  if (sources.length === 0) {
    table.fail([...path, "injectDefaults"], "is false, and no sources are given: nothing would be known of any load");
  }
  if (given.peerDiscovery !== undefined) {
    table.fail(
      [...path, "peerDiscovery"],
      "is known, but not available yet: shards share their state, replicas do not",
    );
  }
  if (given.crossReplicaSyncerPluginRef !== undefined) {
    table.fail([...path, "crossReplicaSyncerPluginRef"], "is known, but not available yet: replicas share no state");
  }
  if (given.crossReplicaSyncInterval !== undefined) {
    const interval = formatDuration(given.crossReplicaSyncInterval);
    table.warn([...path, "crossReplicaSyncInterval"], `${interval} has no effect: replicas share no state yet`);
  }
  const discovery =
    given.discovery === undefined
      ? undefined
      : table.refer([...path, "discovery", "pluginRef"], given.discovery.pluginRef, ["discovery"]);
  return { sources, discovery };
}

function readDataSource(
  table: InstanceTable,
  { pluginRef, extractors }: DataSourceDocument,
  path: ConfigPath,
  earlier: readonly { readonly pluginRef: string }[],
): DataSourceConfig {
  table.refer([...path, "pluginRef"], pluginRef, ["data-source"], true);
  if (earlier.some((source) => source.pluginRef === pluginRef)) {
    table.fail([...path, "pluginRef"], `"${pluginRef}" is listed twice; list its extractors in one place`);
  }
  const types = new Set<string>();
  const names = (extractors ?? []).map(({ pluginRef: extractor }, index) => {
    const place: ConfigPath = [...path, "extractors", index, "pluginRef"];
    table.refer(place, extractor, ["extractor"], true);
    const type = table.typeOf(extractor) ?? extractor;
    if (types.has(type)) table.fail(place, `a second extractor of type "${type}"; keep one per source`);
    types.add(type);
    return extractor;
  });
  return { pluginRef, extractors: names, origin: fromDocument(path) };
}
