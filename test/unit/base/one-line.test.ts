import { expect, it } from "vitest";
import { oneLine } from "../../../src/base/one-line.ts";

it.each([
  { text: "a model", shown: "a model" },
  { text: "a\nb", shown: "a\\u000ab" },
  { text: "a\r\u2028\u2029\u0000\u001b[31m", shown: "a\\u000d\\u2028\\u2029\\u0000\\u001b[31m" },
  { text: "größe 模型 🙂", shown: "größe 模型 🙂" },
])("$text stays on one line", ({ text, shown }) => {
  expect(oneLine(text)).toBe(shown);
});
