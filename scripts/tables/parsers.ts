/** `docs/parsers.md`: the request APIs, from `src/parsing/parsers.ts`. */

import { PARSER_TYPES_DEFAULT } from "../../src/config/defaults.ts";
import type { ParserDefinition, PathClaim } from "../../src/parsing/parser.ts";
import { PARSER_TYPES, PARSERS_BY_TYPE } from "../../src/parsing/parsers.ts";
import { code, markdownTable } from "./markdown.ts";

export function parserTable(): string {
  const rows = PARSER_TYPES.flatMap((type) =>
    PARSERS_BY_TYPE[type].map((parser) => [
      code(type),
      PARSER_TYPES_DEFAULT.includes(type) ? "yes" : "",
      parser.claims.length === 0 ? "all others" : parser.claims.map(describeClaim).join(", "),
      BODIES[parser.body.kind],
      describeResponse(parser),
    ]),
  );
  return markdownTable(["Type", "By default", "Paths", "Body", "Response"], rows);
}

const BODIES: Readonly<Record<ParserDefinition["body"]["kind"], string>> = {
  json: "JSON, scanned as it arrives",
  grpc: "one protobuf message in a gRPC frame",
  custom: "by a user's function",
  unread: "not read",
};

function describeClaim({ kind, text }: PathClaim): string {
  if (kind === "path") return `exactly ${code(text)}`;
  return kind === "service" ? `methods of ${code(text)}` : code(text);
}

function describeResponse({ skipsResponse, usageFormat }: ParserDefinition): string {
  if (skipsResponse) return "not shown to the picker";
  return usageFormat === undefined ? "passes" : "passes, usage is read";
}
