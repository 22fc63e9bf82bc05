/**
 * House rules that no other tool knows: layers, borders, texts, documents. Each rule is data: what holds, what to do
 * instead, how to find what breaks it, and examples that show that it can fail.
 */
import { describe, expect, it } from "vitest";
import { exampleProject, formatFinding, readProject } from "./support/tidy/project.ts";
import type { Rule } from "./support/tidy/rule.ts";
import { borderRules } from "./support/tidy/rules/borders.ts";
import { dependencyRules } from "./support/tidy/rules/dependencies.ts";
import { documentationRules } from "./support/tidy/rules/documentation.ts";
import { kernelRules } from "./support/tidy/rules/kernel.ts";
import { layerRules } from "./support/tidy/rules/layers.ts";
import { operationsRules } from "./support/tidy/rules/operations.ts";
import { textRules } from "./support/tidy/rules/text.ts";

const RULES: readonly Rule[] = [
  ...layerRules,
  ...borderRules,
  ...textRules,
  ...documentationRules,
  ...operationsRules,
  ...dependencyRules,
  ...kernelRules,
];

const project = readProject();

it("sees the project", () => {
  expect(project.sources.length).toBeGreaterThan(100);
  expect(project.has("src/base/clock.ts")).toBe(true);
});

describe.each(RULES.map((rule) => [rule.name, rule] as const))("%s", (_name, rule) => {
  it("holds", () => {
    expect(rule.find(project).map(formatFinding), rule.instead).toEqual([]);
  });

  it.each(rule.broken.map((files) => [Object.keys(files).join(", "), files] as const))(
    "fails on example %$: %s",
    (_paths, files) => {
      expect(rule.find(exampleProject(files))).not.toEqual([]);
    },
  );

  it("passes what only looks like it", () => {
    expect(rule.find(exampleProject(rule.clean)).map(formatFinding)).toEqual([]);
  });
});
