/**
 * The plugin instances of a configuration while it is made explicit: what is named, of which type, what was added as a
 * default, and everything found wrong on the way.
 */
import { messageOf } from "../base/errors.ts";
import type { DataNode } from "../framework/data-graph.ts";
import type { Facet, PluginDefinition } from "../framework/plugin.ts";
import type { PluginRegistry } from "../framework/registry.ts";
import type { ConfigPath, Origin, PluginInstance } from "./config.ts";
import type { ConfigDocument } from "./schema.ts";

/** What is wrong, or worth saying, at a place. */
export interface Finding {
  readonly path: ConfigPath;
  readonly message: string;
}

export interface InstanceOptions {
  readonly registry: PluginRegistry;
  readonly allowExperimental: boolean;
}

export class InstanceTable {
  readonly faults: Finding[] = [];
  readonly warnings: Finding[] = [];
  readonly #options: InstanceOptions;
  /** In the order of the document, defaults behind. */
  readonly #instances = new Map<string, PluginInstance>();
  /** Of instances whose type is usable. */
  readonly #definitions = new Map<string, PluginDefinition>();
  /** Of instances whose parameters are right, as their schema gives them. */
  readonly #parameters = new Map<string, unknown>();

  constructor(options: InstanceOptions) {
    this.#options = options;
  }

  get names(): readonly string[] {
    return [...this.#instances.keys()];
  }

  get all(): readonly PluginInstance[] {
    return [...this.#instances.values()];
  }

  /** Takes the document's list. */
  readPlugins({ plugins }: ConfigDocument): void {
    const places = new Map<string, number>();
    for (const [index, { name, type, parameters }] of (plugins ?? []).entries()) {
      const path: ConfigPath = ["plugins", index];
      const instance = { name: name ?? type, type, parameters: parameters ?? {}, origin: fromDocument(path) };
      const earlier = places.get(instance.name);
      if (earlier !== undefined) {
        this.fail(path, `the name "${instance.name}" is taken by plugins[${earlier}]; give one of them another name`);
        continue;
      }
      places.set(instance.name, index);
      this.#add(instance, path);
    }
  }

  #add(instance: PluginInstance, path: ConfigPath): void {
    this.#instances.set(instance.name, instance);
    const definition = this.#findDefinition(instance, path);
    if (definition === undefined) return;
    this.#definitions.set(instance.name, definition);
    const parsed = definition.parameters.safeParse(instance.parameters);
    if (parsed.success) {
      this.#parameters.set(instance.name, parsed.data);
      return;
    }
    for (const issue of parsed.error.issues) {
      this.fail([...path, "parameters", ...issuePath(issue.path)], `${instance.type}: ${issue.message}`);
    }
  }

  #findDefinition(instance: PluginInstance, path: ConfigPath): PluginDefinition | undefined {
    const { registry, allowExperimental } = this.#options;
    let definition: PluginDefinition;
    try {
      definition = registry.definitionFor(instance);
    } catch (error) {
      this.fail([...path, "type"], messageOf(error));
      return undefined;
    }
    if (definition.stability === "experimental" && !allowExperimental) {
      this.fail([...path, "type"], `"${instance.type}" is experimental; --allow-experimental-plugins lets it be used`);
      return undefined;
    }
    if (definition.stability === "deprecated") {
      this.warn([...path, "type"], `"${instance.type}" is deprecated: ${definition.summary}`);
    }
    return definition;
  }

  /** The name of an instance of this type: the first that is configured, or one that is added with its defaults. */
  ensure(type: string, reason: string): string {
    for (const { name, type: other } of this.#instances.values()) if (other === type) return name;
    if (this.#instances.has(type)) {
      const taken = `the name "${type}" is needed for a plugin of that type (${reason}); name this one otherwise`;
      this.fail(pathOf(this.#instances.get(type)?.origin), taken);
      return type;
    }
    this.#add({ name: type, type, parameters: {}, origin: { kind: "default", reason } }, ["plugins"]);
    return type;
  }

  /**
   * Checks that a name is that of a plugin with one of these facets. Where `orType`, the name of a type will do: an
   * instance of it is added.
   */
  refer(path: ConfigPath, name: string, facets: readonly Facet[], orType = false): string {
    const { registry } = this.#options;
    if (!this.#instances.has(name)) {
      if (orType && registry.has(name)) return this.ensure(name, `${formatPlace(path)} refers to the type`);
      const known = [...this.#instances.keys()].join(", ");
      this.fail(path, `"${name}" is not the name of a plugin; names in plugins: ${known === "" ? "none" : known}`);
      return name;
    }
    const definition = this.#definitions.get(name);
    if (definition !== undefined && !definition.facets.some((facet) => facets.includes(facet))) {
      const is = definition.facets.join(", ");
      this.fail(path, `"${name}" (${definition.type}) is a ${is}; a ${facets.join(" or ")} is needed here`);
    }
    return name;
  }

  hasFacet(name: string, facet: Facet): boolean {
    return this.#definitions.get(name)?.facets.includes(facet) === true;
  }

  typeOf(name: string): string | undefined {
    return this.#instances.get(name)?.type;
  }

  fail(path: ConfigPath, message: string): void {
    this.faults.push({ path, message });
  }

  warn(path: ConfigPath, message: string): void {
    this.warnings.push({ path, message });
  }

  /** An instance as the data graph sees it; undefined for one that cannot be used. */
  dataNode(name: string): DataNode | undefined {
    const definition = this.#definitions.get(name);
    if (definition === undefined || !this.#parameters.has(name)) return undefined;
    const parameters = this.#parameters.get(name);
    const produces = definition.produces?.(parameters) ?? [];
    return {
      name,
      consumes: definition.consumes?.(parameters),
      produces: produces.map((key) => key.name),
      path: pathOf(this.#instances.get(name)?.origin),
    };
  }

  /** The instance's type is known and may be used. */
  isUsable(name: string): boolean {
    return this.#definitions.has(name);
  }
}

export function fromDocument(path: ConfigPath): Origin {
  return { kind: "document", path };
}

function pathOf(origin: Origin | undefined): ConfigPath {
  return origin?.kind === "document" ? origin.path : [];
}

function issuePath(path: readonly PropertyKey[]): ConfigPath {
  return path.map((key) => (typeof key === "symbol" ? String(key) : key));
}

function formatPlace(path: ConfigPath): string {
  return path.join(".");
}
