/** `docs/plugins.md`: the built-in plugins and the data they exchange, from the definitions in `src/builtins.ts`. */
import { z } from "zod";
import { BUILTIN_PLUGINS } from "../../src/builtins.ts";
import * as dataKeys from "../../src/framework/attributes.ts";
import type { PluginDefinition } from "../../src/framework/plugin.ts";
import { code, markdownTable } from "./markdown.ts";

export function pluginTable(): string {
  const rows = BUILTIN_PLUGINS.map((definition) => [
    code(definition.type),
    definition.facets.join(", "),
    definition.stability,
    definition.summary,
    parameters(definition),
    data(definition),
  ]);
  return markdownTable(["Type", "Kind", "Stability", "What it does", "Parameters", "Data"], rows);
}

export function dataKeyTable(): string {
  // A module's exports come in one order when it is compiled, in another one under vitest.
  const keys = Object.values(dataKeys).sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = keys.map(({ name, unit, source }) => [code(name), unit, source]);
  return markdownTable(["Key", "Unit", "Where it comes from, and when it is unknown"], rows);
}

function data(definition: PluginDefinition): string {
  const parts: string[] = [];
  const add = (relation: string, keys: readonly { readonly name: string }[] | undefined): void => {
    if (keys !== undefined && keys.length > 0)
      parts.push(`${relation} ${keys.map(({ name }) => code(name)).join(", ")}`);
  };
  const defaults = definition.parameters.safeParse({});
  if (defaults.success) {
    const needs = definition.consumes?.(defaults.data);
    add(
      "needs",
      needs?.required.map(({ key }) => key),
    );
    add(
      "uses",
      needs?.optional?.map(({ key }) => key),
    );
    add("gives", definition.produces?.(defaults.data));
  }
  return parts.join("; ");
}

/** The few words of JSON Schema that parameter schemas come out as. */
interface ParameterSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly enum?: readonly unknown[];
}

function parameters(definition: PluginDefinition): string {
  const schema = z.toJSONSchema(definition.parameters, { io: "input", unrepresentable: "any" });
  const properties = Object.entries((schema.properties ?? {}) as Readonly<Record<string, ParameterSchema>>);
  return properties.map(([name, property]) => parameter(name, property)).join("<br>");
}

function parameter(name: string, schema: ParameterSchema): string {
  const words = [code(name), kind(schema)];
  if (schema.default !== undefined) words.push(`default ${JSON.stringify(schema.default)}`);
  if (schema.description !== undefined) words.push(schema.description);
  return words.join(", ");
}

function kind(schema: ParameterSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  const { type = "any", minimum, maximum, exclusiveMinimum } = schema;
  const low = minimum === undefined ? exclusiveMinimum : minimum;
  // zod bounds every whole number by what a double holds exactly, which tells nobody anything.
  const isUnbounded = (bound: number | undefined): boolean => bound === undefined || Math.abs(bound) >= 2 ** 53 - 1;
  if (isUnbounded(low) && isUnbounded(maximum)) return type;
  if (isUnbounded(maximum)) return `${type} ${minimum === undefined ? "above" : "from"} ${low}`;
  return `${type} ${low ?? "−∞"} to ${maximum}`;
}
