/** `epp config …` as a program, and a picker that is started with a configuration. */
import { type ExecFileException, execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { BUILTIN_PLUGINS } from "../../src/builtins.ts";
import { PLANNED_PLUGINS } from "../../src/plugins/planned.ts";

const PROGRAM = path.resolve("dist/src/main.js");
const folder = mkdtempSync(path.join(tmpdir(), "magpie-config-command-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], input = ""): Promise<Ended> {
  return new Promise((resolve) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string): void =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    const child = execFile(process.execPath, [PROGRAM, "config", ...args], done);
    child.stdin?.end(input);
  });
}

function file(name: string, text: string): string {
  const target = path.join(folder, name);
  writeFileSync(target, text);
  return target;
}

describe("epp config check", () => {
  it("says that a configuration can be used, with what works otherwise than written", async () => {
    const target = file("good.yaml", "parser: {pluginRef: openai-parser}\nplugins: [{type: queue-scorer}]\n");
    const { code, stdout, stderr } = await run(["check", target]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`${target}:1:9: parser: is deprecated; write requestHandler.parsers (warning)`);
    expect(stdout).toMatch(/good\.yaml: can be used: 1 plugins and \d+ added by default; profiles: default/);
  });

  it("says what is lost where bodies of responses are skipped", async () => {
    const { code, stdout } = await run(["check", "-"], "requestHandler: {responseBody: skip}\n");
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^requestHandler\.responseBody is skip: these metrics stay empty: .*ttft_seconds.*\(warning\)$/m,
    );
    expect(stdout).toMatch(/^requestHandler\.responseBody is skip: prompt tokens stay charged .*\(warning\)$/m);
  });

  it("lists every fault with its place and ends with 2", async () => {
    const target = file("bad.yaml", "plugins:\n- type: queue-scorr\n- type: precise-prefix-cache-producer\n");
    const { code, stdout, stderr } = await run(["check", target]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(`${target}:2:9: plugins[0].type: plugin type "queue-scorr" is not known; did you mean`);
    expect(stderr).toContain(
      `${target}:3:9: plugins[1].type: plugin type "precise-prefix-cache-producer" is known, but`,
    );
  });

  it("finds what only compiling finds, too", async () => {
    const text = "plugins: [{type: single-profile-handler}]\nschedulingProfiles: [{name: a}, {name: b}]\n";
    const { code, stderr } = await run(["check", "-"], text);
    expect(code).toBe(2);
    expect(stderr).toMatch(/standard input:2:\d+: schedulingProfiles: single-profile-handler runs exactly one profile/);
  });
});

describe("epp config show", () => {
  it("prints the built-in configuration, which can be checked and shown again unchanged", async () => {
    const first = await run(["show"]);
    expect(first.code).toBe(0);
    expect(first.stdout).toContain("# default: the profile has no picker: the highest total wins");
    const again = await run(["show", "-", "--format", "json"], first.stdout);
    expect(again.stderr).toBe("");
    expect(JSON.parse(again.stdout)).toEqual(JSON.parse((await run(["show", "--format=json"])).stdout));
  });
});

describe("epp config types", () => {
  it("lists every type there is and every one that is to come", async () => {
    const { stdout } = await run(["types"]);
    for (const { type } of [...BUILTIN_PLUGINS, ...PLANNED_PLUGINS]) expect(stdout).toContain(type);
    expect(stdout.trim().split("\n")).toHaveLength(BUILTIN_PLUGINS.length + PLANNED_PLUGINS.length);
  });
});

describe("epp config", () => {
  it.each([
    { args: [], says: "a verb is missing" },
    { args: ["explain"], says: '"explain" is no verb' },
    { args: ["check"], says: "check needs a file" },
    { args: ["check", "a", "b"], says: "too many arguments: b" },
    { args: ["show", "--format", "toml"], says: '--format: "toml" is none of yaml, json' },
    { args: ["show", "--colour"], says: "Unknown option '--colour'" },
    { args: ["check", "/nowhere/at/all.yaml"], says: "/nowhere/at/all.yaml: cannot be read: ENOENT" },
  ])("$args ends with 2 and says $says", async ({ args, says }) => {
    const { code, stderr } = await run(args);
    expect(code).toBe(2);
    expect(stderr).toContain(says);
  });

  it("--help shows how it is used", async () => {
    const { code, stdout } = await run(["--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Usage: epp config check <file>/);
  });
});
