/**
 * Parsers: which API a request speaks, and what its body must have. The bytes are read by the kernel's scanner; a
 * parser says which grammar it uses and judges the facts it found.
 */
import type { BodyFacts } from "../wasm/shard-memory.ts";
import type { UsageFormat } from "./usage.ts";

export interface ParserDefinition {
  /** Name in configuration files. */
  readonly type: string;
  /** Path suffixes that this parser claims, without query. The longest one that fits wins. */
  readonly pathSuffixes: readonly string[];
  /** `layout.API_…`: the scanner's grammar. */
  readonly api: number;
  /** Where its responses say what they cost. */
  readonly usageFormat: UsageFormat | undefined;
  /** What is missing in a complete body, as a sentence for the client; undefined when nothing is. */
  findMissing(facts: BodyFacts): string | undefined;
}

/** The parser for a request path, by longest suffix; undefined passes the body through unread. */
export function selectParser(parsers: readonly ParserDefinition[], path: string): ParserDefinition | undefined {
  const query = path.indexOf("?");
  const pathname = query < 0 ? path : path.slice(0, query);
  let best: ParserDefinition | undefined;
  let bestSize = 0;
  for (const parser of parsers) {
    for (const suffix of parser.pathSuffixes) {
      if (suffix.length <= bestSize || !pathname.endsWith(suffix)) continue;
      best = parser;
      bestSize = suffix.length;
    }
  }
  return best;
}
