/** Everything else: routed by load alone. */
import type { ParserDefinition } from "./parser.ts";
import { nothingMissing } from "./required-fields.ts";

export const passthroughParser: ParserDefinition = {
  type: "passthrough-parser",
  claims: [],
  body: { kind: "unread" },
  usageFormat: undefined,
  skipsResponse: false,
  findMissing: nothingMissing,
};
