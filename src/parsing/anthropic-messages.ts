/** Anthropic messages: model and at least one message. Counting their tokens is not generation: it passes unread. */
import { layout } from "../wasm/layout.ts";
import { type ParserDefinition, suffixes } from "./parser.ts";
import { missingElements, missingModel, nothingMissing } from "./required-fields.ts";
import { USAGE_OBJECT_IN_HEAD } from "./usage.ts";

export const anthropicMessagesParser: ParserDefinition = {
  type: "anthropic-parser",
  claims: suffixes("messages"),
  body: { kind: "json", api: layout.API_ANTHROPIC_MESSAGES },
  usageFormat: USAGE_OBJECT_IN_HEAD,
  skipsResponse: false,
  findMissing: (facts) => missingModel(facts) ?? missingElements(facts, "messages"),
};

export const anthropicCountTokensParser: ParserDefinition = {
  type: "anthropic-parser",
  claims: suffixes("messages/count_tokens"),
  body: { kind: "unread" },
  usageFormat: undefined,
  skipsResponse: true,
  findMissing: nothingMissing,
};
