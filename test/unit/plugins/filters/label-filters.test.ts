/** The filters that go by labels alone: which labels they keep. */
import { describe, expect, it } from "vitest";
import type { PluginDefinition } from "../../../../src/framework/plugin.ts";
import { byLabelFilter } from "../../../../src/plugins/filters/by-label.ts";
import { byLabelSelectorFilter } from "../../../../src/plugins/filters/by-label-selector.ts";
import { decodeFilter } from "../../../../src/plugins/filters/decode.ts";
import { encodeFilter } from "../../../../src/plugins/filters/encode.ts";
import { labelSelectorFilter } from "../../../../src/plugins/filters/label-selector.ts";
import { prefillFilter } from "../../../../src/plugins/filters/prefill.ts";
import { createPlugin } from "../../../support/plugins.ts";

type Labels = Readonly<Record<string, string>>;

function keeps<Parameters>(definition: PluginDefinition<Parameters>, parameters: unknown, labels: Labels): boolean {
  const { filter } = createPlugin(definition, parameters);
  if (filter === undefined || !("op" in filter)) throw new Error(`${definition.type} is no kernel filter`);
  expect(filter.op).toBe("labels");
  expect(filter.labelMask).toBeDefined();
  return filter.labelMask?.(labels) === true;
}

describe("role filters", () => {
  /** Every role that the Go picker knows, one that it does not, and none. */
  const ROLES = [
    ...["prefill", "decode", "encode", "prefill-decode", "encode-prefill", "encode-prefill-decode", "both"],
    ...["unheard-of", "", undefined],
  ];
  const kept = (definition: PluginDefinition): unknown[] =>
    ROLES.filter((role) => keeps(definition, {}, role === undefined ? { app: "x" } : { "llm-d.ai/role": role }));

  it("decode-filter keeps what decodes, and endpoints without a role", () => {
    expect(kept(decodeFilter)).toEqual(["decode", "prefill-decode", "encode-prefill-decode", "both", undefined]);
  });

  it("prefill-filter keeps what prefills, and no endpoint without a role", () => {
    expect(kept(prefillFilter)).toEqual([
      "prefill",
      "prefill-decode",
      "encode-prefill",
      "encode-prefill-decode",
      "both",
    ]);
  });

  it("encode-filter keeps what encodes, and no endpoint without a role", () => {
    expect(kept(encodeFilter)).toEqual(["encode", "encode-prefill", "encode-prefill-decode"]);
  });
});

describe("label-selector-filter", () => {
  it.each([
    { selector: {}, labels: {}, kept: true },
    { selector: { matchLabels: { tier: "gold" } }, labels: { tier: "gold", zone: "a" }, kept: true },
    { selector: { matchLabels: { tier: "gold" } }, labels: { zone: "a" }, kept: false },
    {
      selector: { matchExpressions: [{ key: "zone", operator: "NotIn", values: ["a"] }] },
      labels: { tier: "gold" },
      kept: true,
    },
  ])("$selector and $labels: $kept", ({ selector, labels, kept }) => {
    expect(keeps(labelSelectorFilter, selector, labels)).toBe(kept);
    expect(keeps(byLabelSelectorFilter, selector, labels)).toBe(kept);
  });
});

describe("by-label", () => {
  it.each([
    { name: "a value of the list", parameters: { validValues: ["a", "b"] }, labels: { tier: "b" }, kept: true },
    { name: "another value", parameters: { validValues: ["a", "b"] }, labels: { tier: "c" }, kept: false },
    { name: "no label", parameters: { validValues: ["a"] }, labels: {}, kept: false },
    { name: "no label, allowed", parameters: { validValues: ["a"], allowsNoLabel: true }, labels: {}, kept: true },
    {
      name: "another value, no label allowed",
      parameters: { allowsNoLabel: true },
      labels: { tier: "a" },
      kept: false,
    },
    { name: "no label and the empty value", parameters: { validValues: [""] }, labels: {}, kept: true },
    { name: "an inherited name", parameters: { label: "toString", validValues: ["a"] }, labels: {}, kept: false },
  ])("$name: $kept", ({ parameters, labels, kept }) => {
    expect(keeps(byLabelFilter, { label: "tier", ...parameters }, labels)).toBe(kept);
  });

  it.each([
    { given: { validValues: ["a"] }, at: "label" },
    { given: { label: "", validValues: ["a"] }, at: "label" },
    { given: { label: "tier" }, at: "validValues" },
    { given: { label: "tier", validValues: "a" }, at: "validValues" },
  ])("$given is refused", ({ given, at }) => {
    expect(byLabelFilter.parameters.safeParse(given).error?.issues).toMatchObject([{ path: [at] }]);
  });
});
