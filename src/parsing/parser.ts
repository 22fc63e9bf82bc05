/**
 * Parsers: which API a request speaks, how its body is read, and what the body must have. The bytes are read by the
 * kernel's scanner; a parser says which grammar it uses and judges the facts it found.
 */
import type { ParsedRequest } from "../framework/plugin.ts";
import type { BodyFacts } from "../wasm/shard-memory.ts";
import type { UsageFormat } from "./usage.ts";

/** Names in configuration files; the same as the Go picker's. One type may speak several APIs. */
export type ParserType =
  | "openai-parser"
  | "anthropic-parser"
  | "vllmhttp-parser"
  | "sglanghttp-parser"
  | "vllmgrpc-parser"
  | "vertexai-parser"
  | "passthrough-parser";

/** One API of a parser type. */
export interface ParserDefinition {
  /** A `ParserType`, or the type of a user's parser. */
  readonly type: string;
  /** The paths that are this API's. A parser without any takes what no other one claims. */
  readonly claims: readonly PathClaim[];
  readonly body: BodyReading;
  /** Where its responses say what they cost; undefined where they do not, or not in a known form. */
  readonly usageFormat: UsageFormat | undefined;
  /** The picker is done with such an exchange once it has answered the request. */
  readonly skipsResponse: boolean;
  /** What is missing in a complete body, as a sentence for the client; undefined when nothing is. */
  findMissing(facts: BodyFacts): string | undefined;
}

/**
 * - `suffix`: the path ends with the text. No "/" is needed before it: gateways put what they like there.
 * - `path`: the path is the text.
 * - `service`: the path is a method of the gRPC service whose full name ends with the text.
 */
export interface PathClaim {
  readonly kind: "suffix" | "path" | "service";
  readonly text: string;
}

export type BodyReading =
  /** JSON, scanned as it arrives. `api`: the scanner's grammar, `layout.API_…`. */
  | { readonly kind: "json"; readonly api: number }
  /** One protobuf message in a gRPC frame, read once it is whole. */
  | { readonly kind: "grpc"; readonly findPrompt: PromptFinder }
  /** By a user's function, once it is whole. */
  | { readonly kind: "custom"; readonly parse: CustomReader }
  /** Not at all. */
  | { readonly kind: "unread" };

/** What a user's parser finds in a body; undefined when it cannot be asked, or fails. */
export type CustomReader = (body: Buffer, header: (name: string) => string | undefined) => ParsedRequest | undefined;

/** What of a message is its prompt; or a sentence that says why there is none. Throws `WireError`. */
export type PromptFinder = (message: Buffer) => FramedPrompt | string;

/** A prompt that was found in another format. */
export interface FramedPrompt {
  /** How the kernel is to read the bytes: `layout.API_…`. */
  readonly api: number;
  /** The prompt's bytes; a view of the body where they stand there in one piece. */
  readonly bytes: Buffer;
  readonly isStream: boolean;
  readonly outputCap: number | undefined;
}

/** A claim of each of these suffixes. */
export function suffixes(...texts: readonly string[]): readonly PathClaim[] {
  return texts.map((text) => ({ kind: "suffix", text }));
}

/** The parser for a request path, by the longest claim; undefined when no parser takes it. The query does not count. */
export function selectParser(parsers: readonly ParserDefinition[], path: string): ParserDefinition | undefined {
  const query = path.indexOf("?");
  const pathname = query < 0 ? path : path.slice(0, query);
  let best: ParserDefinition | undefined;
  let bestSize = 0;
  for (const parser of parsers) {
    if (parser.claims.length === 0) return best ?? parser;
    for (const claim of parser.claims) {
      if (claim.text.length <= bestSize || !isClaimed(pathname, claim)) continue;
      best = parser;
      bestSize = claim.text.length;
    }
  }
  return best;
}

function isClaimed(pathname: string, { kind, text }: PathClaim): boolean {
  if (kind === "suffix") return pathname.endsWith(text);
  if (kind === "path") return pathname === text;
  const method = pathname.lastIndexOf("/");
  return method > 0 && pathname.slice(0, method).endsWith(text);
}
