/**
 * Which plugin supplies what which other one needs. Completes a configuration by producers that it needs and does not
 * have, and gives the order in which producers run: each after those whose data it consumes. Pure; the compiler of
 * policies calls it at load time.
 *
 *   scorer ──needs──► prefixMatch ◄──produces── approx-prefix-cache-producer ──needs──► … (created when missing)
 */
import { ConfigError } from "../base/errors.ts";
import type { DataKey } from "./attributes.ts";
import * as builtInKeys from "./attributes.ts";
import type { DataNeed, DataNeeds } from "./plugin.ts";

/** A plugin instance, as far as data goes. */
export interface DataNode {
  /** Of the instance. */
  readonly name: string;
  readonly consumes: DataNeeds | undefined;
  /** Names of the data keys that it produces. */
  readonly produces: readonly string[];
  /** Where it stands in the configuration; undefined for one that was created here. */
  readonly path: ConfigError["path"];
}

/** Data that is there without a producer: scraped columns, and what the picker itself counts. */
const SUPPLIED_KEYS: ReadonlySet<string> = new Set(
  Object.values(builtInKeys)
    .filter((key): key is DataKey => "name" in key && key.defaultProducer === undefined)
    .map(({ name }) => name),
);

export interface DataGraph {
  /** The given plugins, then those that were created. */
  readonly nodes: readonly DataNode[];
  /** Names of the nodes that produce something, each after those whose data it consumes. */
  readonly producerOrder: readonly string[];
}

/**
 * Throws a ConfigError that names the plugin, its place and the data key: for data that nobody can produce, for a named
 * producer that does not exist or produces something else, and for producers that wait for each other.
 * `createProducer` makes a plugin of this type with default parameters; undefined when the type does not exist.
 */
export function completeDataGraph(
  given: readonly DataNode[],
  createProducer: (type: string) => DataNode | undefined,
): DataGraph {
  const nodes = [...given];
  // A created producer may need others: the loop meets it later, since it is appended. Each key is created once.
  for (const node of nodes) {
    for (const need of node.consumes?.required ?? []) {
      if (need.producer !== undefined) checkNamedProducer(node, need, given);
      else if (!isSupplied(need, nodes)) nodes.push(createMissing(node, need, createProducer));
    }
    for (const need of node.consumes?.optional ?? []) {
      if (need.producer !== undefined) checkNamedProducer(node, need, given);
    }
  }
  return { nodes, producerOrder: sortProducers(nodes) };
}

function isSupplied({ key }: DataNeed, nodes: readonly DataNode[]): boolean {
  return SUPPLIED_KEYS.has(key.name) || nodes.some(({ produces }) => produces.includes(key.name));
}

function checkNamedProducer(node: DataNode, { key, producer }: DataNeed, given: readonly DataNode[]): void {
  const named = given.find(({ name }) => name === producer);
  if (named?.produces.includes(key.name) === true) return;
  const producers = given.filter(({ produces }) => produces.includes(key.name)).map(({ name }) => `"${name}"`);
  const fault = named === undefined ? "is not the name of a plugin" : `does not produce ${key.name}`;
  const remedy = producers.length === 0 ? "no plugin does" : `these do: ${producers.join(", ")}`;
  throw faultOf(node, `takes ${key.name} from "${producer}", which ${fault}; ${remedy}`);
}

function createMissing(
  node: DataNode,
  { key }: DataNeed,
  createProducer: (type: string) => DataNode | undefined,
): DataNode {
  const type = key.defaultProducer;
  const created = type === undefined ? undefined : createWith(node, key.name, type, createProducer);
  if (created?.produces.includes(key.name) === true) return created;
  throw faultOf(node, `needs ${key.name}, which no plugin produces; configure a producer of it`);
}

function createWith(
  node: DataNode,
  key: string,
  type: string,
  createProducer: (type: string) => DataNode | undefined,
): DataNode | undefined {
  try {
    return createProducer(type);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw faultOf(node, `needs ${key}, and its producer cannot be created by default: ${error.message}`);
  }
}

type Mark = "entered" | "left";

function sortProducers(nodes: readonly DataNode[]): string[] {
  const order: string[] = [];
  const marks = new Map<string, Mark>();
  const visit = (node: DataNode, trail: readonly DataNode[]): void => {
    if (marks.get(node.name) === "left") return;
    if (marks.get(node.name) === "entered") throw cycleFault(node, trail);
    marks.set(node.name, "entered");
    for (const source of sourcesOf(node, nodes)) visit(source, [...trail, node]);
    marks.set(node.name, "left");
    order.push(node.name);
  };
  for (const node of nodes) if (node.produces.length > 0) visit(node, []);
  return order;
}

/** The producers of what a node consumes. One that both consumes and produces a key does not wait for itself. */
function sourcesOf(node: DataNode, nodes: readonly DataNode[]): DataNode[] {
  const needs = [...(node.consumes?.required ?? []), ...(node.consumes?.optional ?? [])];
  return nodes.filter(
    (source) =>
      source !== node &&
      needs.some(
        ({ key, producer }) => source.produces.includes(key.name) && (producer ?? source.name) === source.name,
      ),
  );
}

function cycleFault(node: DataNode, trail: readonly DataNode[]): ConfigError {
  const cycle = [...trail.slice(trail.indexOf(node)), node].map(({ name }) => `"${name}"`).join(" → ");
  return faultOf(node, `waits for its own data: ${cycle}`);
}

function faultOf({ name, path }: DataNode, what: string): ConfigError {
  return new ConfigError(`plugin "${name}" ${what}`, path === undefined ? {} : { path });
}
