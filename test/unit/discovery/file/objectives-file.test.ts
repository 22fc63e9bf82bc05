import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../../src/base/clock.ts";
import { ConfigError } from "../../../../src/base/errors.ts";
import { ObjectivesFile, parseObjectives, readObjectivesFile } from "../../../../src/discovery/file/objectives-file.ts";
import type { Objective } from "../../../../src/framework/objective.ts";
import { until } from "../../../support/until.ts";

const folders: string[] = [];
const files: ObjectivesFile[] = [];

afterEach(() => {
  for (const file of files.splice(0)) file.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function objectivesFile(text: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), "magpie-objectives-"));
  folders.push(folder);
  const file = path.join(folder, "objectives.yaml");
  writeFileSync(file, text);
  return file;
}

describe("an objectives file", () => {
  it.each([
    {
      name: "a list",
      text: "objectives: [{name: batch, priority: -1}, {name: chat, priority: 10}]",
      found: ["batch -1", "chat 10"],
    },
    { name: "JSON", text: '{"objectives": [{"name": "chat", "priority": 2147483647}]}', found: ["chat 2147483647"] },
    { name: "an objective without a priority", text: "objectives: [{name: plain}]", found: ["plain 0"] },
    { name: "no objectives", text: "objectives: []", found: [] },
    { name: "nothing", text: "", found: [] },
    {
      name: "objects as Kubernetes has them, and a list behind",
      text: `apiVersion: llm-d.ai/v1alpha2
kind: InferenceObjective
metadata: {name: batch, namespace: llm}
spec: {priority: -5, poolRef: {name: pool}}
---
apiVersion: inference.networking.x-k8s.io/v1alpha2
kind: InferenceObjective
metadata: {name: plain}
spec: {poolRef: {name: pool}}
---
objectives: [{name: chat, priority: 1}]
---
`,
      found: ["batch -5", "plain 0", "chat 1"],
    },
  ])("may be $name", ({ text, found }) => {
    expect(parseObjectives(text, "o.yaml").map(({ name, priority }) => `${name} ${priority}`)).toEqual(found);
  });

  it.each([
    {
      name: "a text",
      text: "batch",
      fault: 'o.yaml:1:1: document: must be a document with a list "objectives", or an InferenceObjective',
    },
    { name: "another field", text: "objectives: []\nobjetives: []", fault: /^o\.yaml:1:1: document: .*"objetives"/ },
    {
      name: "no name",
      text: "objectives:\n- {priority: 1}",
      fault: "o.yaml:2:3: objectives[0].name: must be a non-empty text",
    },
    {
      name: "a fraction",
      text: "objectives: [{name: a, priority: 1.5}]",
      fault: /^o\.yaml:1:34: objectives\[0\]\.priority: must be a whole number/,
    },
    {
      name: "a text as priority",
      text: 'objectives: [{name: a, priority: "1"}]',
      fault: /must be a whole number from -2147483648/,
    },
    { name: "another kind", text: "kind: InferencePool\nmetadata: {name: a}", fault: /^o\.yaml:1:7: kind: / },
    { name: "bad YAML", text: "objectives: [", fault: /^o\.yaml:1:\d+: not readable as YAML or JSON: / },
    {
      name: "a fault in a later document",
      text: "objectives: []\n---\nobjectives: 7",
      fault: /^o\.yaml:3:13: objectives: must be a list/,
    },
  ])("with $name is refused with its place", ({ text, fault }) => {
    expect(() => parseObjectives(text, "o.yaml")).toThrow(ConfigError);
    expect(() => parseObjectives(text, "o.yaml")).toThrow(fault);
  });

  it("that is not there is refused with a remedy", () => {
    expect(() => readObjectivesFile("/nowhere/o.yaml")).toThrow(
      /^\/nowhere\/o\.yaml: cannot be read: .*; write one like /,
    );
  });

  it("is read again when it changes; a fault leaves priorities as they are, and is said until it is mended", async () => {
    const file = objectivesFile("objectives: [{name: a, priority: 1}]");
    const applied: (readonly Objective[])[] = [];
    const reported: string[] = [];
    const objectives = new ObjectivesFile({
      path: file,
      clock: systemClock,
      logger: pino({ level: "silent" }),
      degraded: { raise: (code) => reported.push(code), clear: (code) => reported.push(`${code} over`) },
      apply: (read) => applied.push(read),
    });
    files.push(objectives);
    await objectives.start();
    expect(applied).toEqual([[{ name: "a", priority: 1 }]]);
    writeFileSync(file, "objectives: 7");
    await until("the fault is reported", () => reported.includes("objectives-file-bad") || undefined);
    expect(applied).toHaveLength(1);
    writeFileSync(file, "objectives: [{name: a, priority: 2}]");
    await until("the file is read again", () => applied[1]);
    expect(applied[1]).toEqual([{ name: "a", priority: 2 }]);
    expect(reported.at(-1)).toBe("objectives-file-bad over");
  });

  it("with a fault at the start is an error", async () => {
    const file = new ObjectivesFile({
      path: objectivesFile("objectives: 7"),
      clock: systemClock,
      logger: pino({ level: "silent" }),
      degraded: { raise: () => undefined, clear: () => undefined },
      apply: () => undefined,
    });
    await expect(file.start()).rejects.toThrow("must be a list");
  });
});
