/**
 * `docs/plugins.md`: the built-in plugins, those that are known and not there yet, and the data that plugins exchange,
 * from the definitions in `src/builtins.ts` and `src/plugins/planned.ts`.
 */
import { z } from "zod";
import { BUILTIN_PLUGINS } from "../../src/builtins.ts";
import * as dataKeys from "../../src/framework/attributes.ts";
import { ignoredParameters, noParameters } from "../../src/framework/parameters.ts";
import type { PluginDefinition } from "../../src/framework/plugin.ts";
import { PLANNED_PLUGINS } from "../../src/plugins/planned.ts";
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

export function plannedPluginTable(): string {
  const rows = PLANNED_PLUGINS.map(({ type, facets, stability, summary, instead }) => [
    code(type),
    facets.join(", "),
    stability,
    summary,
    instead,
  ]);
  return markdownTable(["Type", "Kind", "Stability", "What it is", "Until it is there"], rows);
}

export function dataKeyTable(): string {
  // A module's exports come in one order when it is compiled, in another one under vitest.
  const keys = Object.values(dataKeys).sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = keys.map(({ name, unit, source, defaultProducer }) => [
    code(name),
    unit,
    source,
    defaultProducer === undefined ? "" : code(defaultProducer),
  ]);
  return markdownTable(["Key", "Unit", "Where it comes from, and when it is unknown", "Added when missing"], rows);
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
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, ParameterSchema>>;
  readonly items?: ParameterSchema;
  readonly anyOf?: readonly ParameterSchema[];
}

function parameters({ type, parameters: schema }: PluginDefinition): string {
  if (schema === ignoredParameters) return "none; anything is ignored";
  const first = BUILTIN_PLUGINS.find((definition) => definition.parameters === schema);
  if (first !== undefined && first.type !== type && schema !== noParameters) return `as ${code(first.type)}`;
  const { properties } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as ParameterSchema;
  return parameterLines(properties, "").join("<br>");
}

/** A line per parameter; those of an object stand under its name and a dot. */
function parameterLines(properties: ParameterSchema["properties"], prefix: string): string[] {
  return Object.entries(properties ?? {}).flatMap(([name, schema]) => {
    if (schema.properties === undefined) return [parameterLine(`${prefix}${name}`, schema)];
    const inner = parameterLines(schema.properties, `${prefix}${name}.`);
    return inner.length === 0 ? [parameterLine(`${prefix}${name}`, schema)] : inner;
  });
}

function parameterLine(name: string, schema: ParameterSchema): string {
  const words = [code(name), kind(schema)];
  if (isScalar(schema.default)) words.push(`default ${JSON.stringify(schema.default)}`);
  if (schema.description !== undefined) words.push(schema.description);
  return words.join(", ");
}

function isScalar(value: unknown): boolean {
  return value !== undefined && (typeof value !== "object" || value === null);
}

function kind(schema: ParameterSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const choices = schema.anyOf?.filter(({ type, const: only }) => type !== "null" && only !== "");
  if (choices?.length === 1 && choices[0] !== undefined) return kind(choices[0]);
  if (schema.type === "array" && schema.items !== undefined) return `list of ${kind(schema.items)}`;
  const { type = "any", minimum, maximum, exclusiveMinimum } = schema;
  const low = minimum === undefined ? exclusiveMinimum : minimum;
  // zod bounds every whole number by what a double holds exactly, which tells nobody anything.
  const isUnbounded = (bound: number | undefined): boolean => bound === undefined || Math.abs(bound) >= 2 ** 53 - 1;
  if (isUnbounded(low) && isUnbounded(maximum)) return type;
  if (isUnbounded(maximum)) return `${type} ${minimum === undefined ? "above" : "from"} ${low}`;
  return isUnbounded(low) ? `${type} up to ${maximum}` : `${type} ${low} to ${maximum}`;
}
