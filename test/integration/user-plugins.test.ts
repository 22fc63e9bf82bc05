/** Plugins of users in the program as built: the worked example, modules that cannot be used, and failing ones. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { closeEpps, LOOPBACK, writeEndpointsFile } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { readMetric } from "../support/metrics.ts";
import { endPrograms, runProgram, type TestProgram } from "../support/programs.ts";

const EXAMPLE = "examples/plugins/config.yaml";
const REGIONS = ["eu", "us", "asia"];

const clients: ExtProcClient[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await endPrograms();
  await closeEpps();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Servers that nobody runs: the picker picks them all the same. Ports 9001, 9002, … by region. */
function endpointsFile(): string {
  const endpoints = REGIONS.map((region, index) => {
    return { name: region, address: LOOPBACK, port: 9_001 + index, labels: { region } };
  });
  return writeEndpointsFile(JSON.stringify({ endpoints }));
}

function runPicker(args: readonly string[]): TestProgram {
  return runProgram("main.js", [
    ...["--host", LOOPBACK, "--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0", "--shards", "1"],
    ...["--secure-serving=false", "--drain-notice=0s", "--endpoints-file", endpointsFile(), ...args],
  ]);
}

interface Serving {
  readonly program: TestProgram;
  readonly client: ExtProcClient;
  readonly metricsPort: number;
}

async function startPicker(args: readonly string[]): Promise<Serving> {
  const program = runPicker(args);
  const { grpcPort, metricsPort } = JSON.parse(await program.line('"msg":"serving"')) as Record<string, number>;
  const client = new ExtProcClient(grpcPort as number);
  clients.push(client);
  return { program, client, metricsPort: metricsPort as number };
}

/** A configuration whose only scorer is this module; the paths of both. */
function moduleConfig(text: string | undefined, parameters = ""): { readonly config: string; readonly file: string } {
  const folder = mkdtempSync(path.join(tmpdir(), "magpie-plugins-"));
  folders.push(folder);
  const [config, file] = [path.join(folder, "config.yaml"), path.join(folder, "own.mjs")];
  if (text !== undefined) writeFileSync(file, text);
  writeFileSync(
    config,
    `plugins:\n- {name: own, type: module, parameters: {path: own.mjs${parameters}}}\n` +
      "schedulingProfiles:\n- {name: default, plugins: [{pluginRef: own}]}\n",
  );
  return { config, file };
}

const scorerModule = (create: string, more = ""): string =>
  `export default { type: "own", facets: ["scorer"], ${more} ${create} };`;

const from = (region: string) => ({ more: [{ name: "x-client-region", value: region }] });

describe("the example of a plugin of one's own", () => {
  it("sends requests to their region", async () => {
    const { client } = await startPicker(["--config-file", EXAMPLE]);
    for (const [index, region] of REGIONS.entries()) {
      const answer = await client.ask(chatBody(`hello from ${region}`), from(region));
      expect(answer).toMatchObject({ kind: "routed", destination: `${LOOPBACK}:${9_001 + index}` });
    }
    // Without a region the other scorers decide.
    expect(await client.ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
  });

  it("shows its state, counted on the shard", async () => {
    const { client, metricsPort } = await startPicker(["--config-file", EXAMPLE]);
    for (let count = 0; count < 3; count++) await client.ask(chatBody("hello"));
    const response = await fetch(`http://${LOOPBACK}:${metricsPort}/debug/plugins/state`);
    expect(await response.text()).toMatch(/"requestCount":\s*3/);
  });

  it("is timed", async () => {
    const { client, metricsPort } = await startPicker(["--config-file", EXAMPLE]);
    for (let count = 0; count < 3; count++) await client.ask(chatBody("hello"), from("eu"));
    const labels = { extension_point: "scorer", plugin_type: "module", plugin_name: "same-region" };
    expect(await readMetric(metricsPort, "llm_d_epp_plugin_duration_seconds_count", labels)).toBe(3);
  });

  it("can be given to --plugin instead, and named by its type", async () => {
    const config =
      "plugins: [{type: region-scorer, parameters: {label: region, budgetMs: 100}}]\n" +
      "schedulingProfiles: [{name: default, plugins: [{pluginRef: region-scorer}]}]";
    const { client } = await startPicker(["--plugin", "examples/plugins/region-scorer.mjs", "--config-text", config]);
    expect(await client.ask(chatBody("hello"), from("asia"))).toMatchObject({ destination: `${LOOPBACK}:9003` });
  });
});

describe("a module that cannot be used ends the program at once, with its place and what is wrong:", () => {
  it.each([
    { name: "no file", text: undefined, says: ["own.mjs is no file"] },
    {
      name: "a syntax error",
      text: "export default {",
      says: ["own.mjs cannot be loaded as an ES module: SyntaxError"],
    },
    { name: "no default export", text: "export const a = 1;", says: ["own.mjs has no default export"] },
    {
      name: "a wrong shape",
      text: 'export default { type: "own", facets: ["dancer"] };',
      says: ['without usable "facets"'],
    },
    {
      name: "a create that throws",
      text: 'export default { type: "own", facets: ["scorer"], create() { throw new Error("no luck"); } };',
      says: ['create of "own" threw: Error: no luck'],
    },
    {
      name: "parameters that it does not take",
      text: scorerModule("create() {}", 'parameters() { throw new Error("no colour"); },'),
      says: ["no colour"],
    },
  ])("$name", async ({ text, says }) => {
    const { config } = moduleConfig(text);
    const program = runPicker(["--config-file", config]);
    expect(await program.ended).toBe(2);
    const errors = program.errors.join("\n");
    for (const part of [...says, "config.yaml:2:"]) expect(errors).toContain(part);
  });
});

describe("a plugin that fails while requests come", () => {
  it("is left out, named in a log line, and rests when it keeps failing; requests are served", async () => {
    const { config } = moduleConfig(
      scorerModule('create: () => ({ scorer: { score() { throw new Error("no luck"); } } })'),
    );
    const { client, program } = await startPicker(["--config-file", config]);
    for (let count = 0; count < 12; count++) {
      expect(await client.ask(chatBody(`hello ${count}`))).toMatchObject({ kind: "routed" });
    }
    const failure = JSON.parse(await program.line("plugin own failed and was left out")) as Record<string, unknown>;
    expect(failure).toMatchObject({ plugin: "own", cause: "threw", count: 1, reason: "no luck" });
    const resting = JSON.parse(await program.line("plugin-resting")) as Record<string, unknown>;
    expect(resting).toMatchObject({ state: "plugin-resting", detail: "threw: no luck" });
  });

  it("that takes longer than its budget is left out", async () => {
    const slow = "const end = performance.now() + 20; while (performance.now() < end);";
    const { config } = moduleConfig(
      scorerModule(`create: () => ({ scorer: { score(request, candidates, scores) { ${slow} scores.fill(1); } } })`),
      ", budgetMs: 5",
    );
    const { client, program, metricsPort } = await startPicker(["--config-file", config]);
    expect(await client.ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
    const failure = JSON.parse(await program.line("plugin own failed and was left out")) as Record<string, unknown>;
    expect(failure).toMatchObject({ plugin: "own", cause: "over-budget" });
    expect(failure["reason"]).toMatch(/^a call took \d+\.\d\d ms of 5 ms$/);
    const labels = { plugin_name: "own", cause: "over-budget" };
    expect(await readMetric(metricsPort, "endpoint_picker_plugin_failures_total", labels)).toBe(1);
  });
});
