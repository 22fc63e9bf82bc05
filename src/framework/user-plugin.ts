/**
 * What a user's module exports, checked, as a definition like the built-in ones: its shape at load, its parameters by
 * its own check, and what `create` returns. What it does when it is called is watched elsewhere
 * (`scheduling/plugin-guard.ts`).
 */
import { z } from "zod";
import { ConfigError, messageOf } from "../base/errors.ts";
import type { DataKey } from "./attributes.ts";
import type { DataNeeds, Facet, Plugin, PluginDefinition } from "./plugin.ts";

/** What a user's module may be. */
const USER_FACETS: readonly Facet[] = ["filter", "scorer", "picker", "producer", "admitter", "hook", "parser"];

/** Longest time that one call may be given. A request waits for each of them. */
const BUDGET_MS_MAX = 1_000;

/** Parameters of a user's plugin after their check. */
export interface UserParameters {
  readonly budgetMs: number;
  /** The rest, as the module's own check left it. */
  readonly own: unknown;
}

/** The default export of a module, as far as it is right. */
interface UserDefinition {
  readonly type: string;
  readonly facets: readonly Facet[];
  readonly summary?: string;
  readonly parameters?: ((value: unknown) => unknown) | z.ZodType;
  readonly consumes?: (parameters: unknown) => DataNeeds;
  readonly produces?: (parameters: unknown) => readonly DataKey[];
  readonly create: PluginDefinition["create"];
}

/**
 * The definition that a module exports. `budgetMs`: time of one call where the instance's parameters do not say. `fail`
 * makes the error that names the file.
 */
export function userDefinition(
  exported: unknown,
  budgetMs: number,
  fail: (what: string) => ConfigError,
): PluginDefinition {
  const given = checkShape(exported, fail);
  const { consumes, produces } = given;
  const definition: PluginDefinition<UserParameters> = {
    type: given.type,
    stability: "stable",
    summary: given.summary ?? "A user's plugin.",
    facets: given.facets,
    parameters: parametersSchema(given, budgetMs),
    ...(consumes && { consumes: ({ own }) => readNeeds(given.type, () => consumes.call(given, own)) }),
    ...(produces && { produces: ({ own }) => readKeys(given.type, () => produces.call(given, own)) }),
    create: ({ own }, context) => createChecked(given, own, context),
  };
  return definition;
}

function checkShape(exported: unknown, fail: (what: string) => ConfigError): UserDefinition {
  if (!isRecord(exported)) throw fail("has a default export that is no object with type, facets and create");
  const { type, facets, create, parameters, consumes, produces, summary } = exported;
  if (typeof type !== "string" || !/^[\w.-]+$/.test(type)) {
    throw fail('has a default export without a usable "type": a name of letters, digits, "-", "_" and "."');
  }
  if (!Array.isArray(facets) || facets.length === 0 || !facets.every((facet) => USER_FACETS.includes(facet as Facet))) {
    throw fail(`has a default export without usable "facets": a list of ${USER_FACETS.join(", ")}`);
  }
  if (typeof create !== "function") throw fail('has a default export without a function "create"');
  const optional = { consumes, produces };
  for (const [name, value] of Object.entries(optional)) {
    if (value !== undefined && typeof value !== "function")
      throw fail(`has a default export whose "${name}" is no function`);
  }
  if (parameters !== undefined && typeof parameters !== "function" && !isSchema(parameters)) {
    throw fail('has a default export whose "parameters" is no function that checks them');
  }
  if (summary !== undefined && typeof summary !== "string")
    throw fail('has a default export whose "summary" is no text');
  return exported as unknown as UserDefinition;
}

/** Takes what the picker reads out of the parameters, and lets the module check the rest. */
function parametersSchema({ parameters }: UserDefinition, budgetMs: number): z.ZodType<UserParameters> {
  const budgetRule = `must be a time in ms, above 0 and up to ${BUDGET_MS_MAX}`;
  return z
    .looseObject({
      path: z.string().optional(),
      budgetMs: z.number({ error: budgetRule }).positive(budgetRule).max(BUDGET_MS_MAX, budgetRule).default(budgetMs),
    })
    .transform(({ path: _, budgetMs: own, ...rest }, context) => {
      try {
        return { budgetMs: own, own: checkOwn(parameters, rest) };
      } catch (error) {
        context.addIssue({
          code: "custom",
          message: error instanceof z.ZodError ? z.prettifyError(error) : describeError(error),
        });
        return z.NEVER;
      }
    });
}

function checkOwn(check: UserDefinition["parameters"], value: unknown): unknown {
  if (check === undefined) return value;
  return typeof check === "function" ? check(value) : check.parse(value);
}

function readNeeds(type: string, read: () => unknown): DataNeeds {
  const needs = call(type, "consumes", read);
  const lists = isRecord(needs) ? [needs["required"], needs["optional"] ?? []] : [undefined];
  const isNeed = (need: unknown): boolean =>
    isRecord(need) && isKey(need["key"]) && ["string", "undefined"].includes(typeof need["producer"]);
  if (lists.every((list) => Array.isArray(list) && list.every(isNeed))) return needs as DataNeeds;
  throw new ConfigError(`consumes of "${type}" returned no {required: [{key: {name}, producer?}], optional?}`);
}

function readKeys(type: string, read: () => unknown): readonly DataKey[] {
  const keys = call(type, "produces", read);
  if (Array.isArray(keys) && keys.every(isKey)) return keys as readonly DataKey[];
  throw new ConfigError(`produces of "${type}" returned no list of {name}`);
}

function isKey(key: unknown): boolean {
  return isRecord(key) && typeof key["name"] === "string" && key["name"] !== "";
}

/** What a function of the module returns. Throws a ConfigError with what it throws. */
function call(type: string, name: string, run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    throw new ConfigError(`${name} of "${type}" threw: ${describeError(error)}`, { cause: error });
  }
}

/** The functions that an instance must have for each facet. */
const FACET_FUNCTIONS: Readonly<Partial<Record<Facet, readonly [property: string, method: string]>>> = {
  filter: ["filter", "filter"],
  scorer: ["scorer", "score"],
  picker: ["picker", "pick"],
  producer: ["producer", "produce"],
  admitter: ["admitter", "admit"],
  parser: ["parser", "parse"],
};

function createChecked(
  given: UserDefinition,
  own: unknown,
  context: Parameters<PluginDefinition["create"]>[1],
): Plugin {
  const plugin = call(given.type, "create", () => given.create(own, context));
  if (!isRecord(plugin) || typeof plugin["then"] === "function") {
    throw new ConfigError(`create of "${given.type}" returned no plugin; it must return an object, not a promise`);
  }
  for (const facet of given.facets) {
    const [property, method] = FACET_FUNCTIONS[facet] ?? ["hooks", undefined];
    const part = plugin[property];
    if (isRecord(part) && (method === undefined || typeof part[method] === "function")) continue;
    const wanted = method === undefined ? property : `${property}.${method}`;
    throw new ConfigError(`create of "${given.type}" returned no ${wanted}, though "facets" names ${facet}`);
  }
  checkParts(plugin, given);
  checkPlugin(plugin, given.type);
  return plugin;
}

/** Parts that no facet names would be used all the same; those of built-in plugins are not for modules. */
function checkParts(plugin: Record<string, unknown>, { type, facets }: UserDefinition): void {
  const named = facets.map((facet) => FACET_FUNCTIONS[facet]?.[0] ?? "hooks");
  for (const part of PARTS) {
    if (plugin[part] === undefined || named.includes(part)) continue;
    throw new ConfigError(`create of "${type}" returned ${part}, which "facets" does not name`);
  }
  const { filter, scorer, picker, producer } = plugin;
  const isProgram = [filter, scorer, picker].some((part) => isRecord(part) && "op" in part);
  if (isProgram) throw new ConfigError(`create of "${type}" returned a part with "op", which built-in plugins have`);
  if (isRecord(producer) && ["prefixCache", "inFlightLoad", "assetTokens"].some((shape) => shape in producer)) {
    throw new ConfigError(
      `create of "${type}" returned a producer of prefix matches, load or tokens: they are built in`,
    );
  }
}

/** Every property of an instance that is called, or read, by its facet. */
const PARTS: readonly (keyof Plugin)[] = [
  "filter",
  "scorer",
  "picker",
  "profileHandler",
  "producer",
  "admitter",
  "saturationDetector",
  "hooks",
  "parser",
];

function checkPlugin(plugin: Record<string, unknown>, type: string): void {
  const picker = plugin["picker"];
  if (isRecord(picker) && !(Number.isInteger(picker["targetsMax"]) && (picker["targetsMax"] as number) >= 1)) {
    throw new ConfigError(`create of "${type}" returned a picker without "targetsMax", a whole number from 1 on`);
  }
  const { needsResponseBody } = plugin;
  if (needsResponseBody !== undefined && typeof needsResponseBody !== "boolean") {
    throw new ConfigError(`create of "${type}" returned a plugin whose "needsResponseBody" is neither true nor false`);
  }
  for (const property of ["headers", "sharedColumns"]) {
    const value = plugin[property];
    if (value === undefined || (Array.isArray(value) && value.every((entry) => typeof entry === "string"))) continue;
    throw new ConfigError(`create of "${type}" returned ${property} that is no list of names`);
  }
  const parser = plugin["parser"];
  if (
    isRecord(parser) &&
    !(Array.isArray(parser["claims"]) && parser["claims"].every((claim) => typeof claim === "string"))
  ) {
    throw new ConfigError(`create of "${type}" returned a parser without "claims", a list of path endings`);
  }
}

function isSchema(value: unknown): boolean {
  return isRecord(value) && typeof value["parse"] === "function";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** With the kind of error, and without its stack, which names places of the picker. */
export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : messageOf(error);
}
