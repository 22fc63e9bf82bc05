/** The parsers of a policy: built-in ones by their types, a user's own by their functions, in the configured order. */
import type { CustomParser, ParsedRequest } from "../framework/plugin.ts";
import { type ParserDefinition, type ParserType, suffixes } from "../parsing/parser.ts";
import { PARSERS_BY_TYPE } from "../parsing/parsers.ts";
import { nothingMissing } from "../parsing/required-fields.ts";
import type { CompiledPolicy, Guarded } from "../scheduling/compiled-policy.ts";
import { BadResult } from "../scheduling/plugin-guard.ts";

/** Of these plugins, in this order. A built-in type that comes again is passed over. */
export function parsersOfPolicy({ plugins, parsers }: CompiledPolicy, names: readonly string[]): ParserDefinition[] {
  const typeOf = new Map(plugins.map(({ name, type }) => [name, type]));
  const found = names.flatMap((name): readonly ParserDefinition[] => {
    const custom = parsers.get(name);
    if (custom !== undefined) return [customParser(custom)];
    const type = typeOf.get(name) ?? name;
    return Object.hasOwn(PARSERS_BY_TYPE, type) ? PARSERS_BY_TYPE[type as ParserType] : [];
  });
  return [...new Set(found)];
}

function customParser({ name, part, guard }: Guarded<CustomParser>): ParserDefinition {
  return {
    type: name,
    claims: suffixes(...part.claims),
    body: {
      kind: "custom",
      parse: (body, header) =>
        guard.run<ParsedRequest | undefined>(() => checkParsed(part.parse(body, header)), undefined),
    },
    usageFormat: undefined,
    skipsResponse: false,
    findMissing: nothingMissing,
  };
}

function checkParsed(given: unknown): ParsedRequest {
  if (typeof given !== "object" || given === null) throw new BadResult("parse returned no object");
  if ("then" in given) return given as ParsedRequest;
  const { model, prompt, isStream } = given as Partial<Record<keyof ParsedRequest, unknown>>;
  if (model !== undefined && typeof model !== "string") throw new BadResult("parse returned a model that is no text");
  if (prompt !== undefined && typeof prompt !== "string" && !(prompt instanceof Uint8Array)) {
    throw new BadResult("parse returned a prompt that is neither a text nor bytes");
  }
  if (isStream !== undefined && typeof isStream !== "boolean")
    throw new BadResult("parse returned an isStream that is neither true nor false");
  return given;
}
