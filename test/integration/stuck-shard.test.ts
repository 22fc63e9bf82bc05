/** A shard that is stuck in a plugin of a user: what an operator sees of it, and how the picker ends. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, expect, it } from "vitest";
import { closeEpps, LOOPBACK, writeEndpointsFile } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { endPrograms, runProgram } from "../support/programs.ts";
import { until } from "../support/until.ts";

const folder: string = mkdtempSync(path.join(tmpdir(), "magpie-stuck-"));
const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await endPrograms();
  await closeEpps();
  rmSync(folder, { recursive: true, force: true });
});

const ENDLESS =
  'export default { type: "own", facets: ["scorer"], create: () => ({ scorer: { score() { while (true); } } }) };';

it("is told within seconds, the other pages answer meanwhile, and the picker ends all the same", async () => {
  writeFileSync(path.join(folder, "own.mjs"), ENDLESS);
  const config =
    `plugins:\n- {name: own, type: module, parameters: {path: ${path.join(folder, "own.mjs")}}}\n` +
    "schedulingProfiles:\n- {name: default, plugins: [{pluginRef: own}]}\n";
  const endpoints = writeEndpointsFile([
    { name: "a", port: 9_001 },
    { name: "b", port: 9_002 },
  ]);
  const program = runProgram("main.js", [
    ...["--host", LOOPBACK, "--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0", "--shards", "1"],
    ...["--secure-serving=false", "--drain-notice=0s", "--drain-timeout=1s"],
    ...["--endpoints-file", endpoints, "--config-text", config],
  ]);
  const { grpcPort, metricsPort } = JSON.parse(await program.line('"msg":"serving"')) as Record<string, number>;
  const client = new ExtProcClient(grpcPort as number);
  clients.push(client);
  void client.ask(chatBody("hello")).catch(() => undefined);

  const get = async (page: string): Promise<{ status: number; text: string }> => {
    const response = await fetch(`http://${LOOPBACK}:${metricsPort}${page}`);
    return { status: response.status, text: await response.text() };
  };
  const state = await until("the stuck shard is told", async () => {
    const health = JSON.parse((await get("/debug/health")).text) as { degraded: Record<string, string>[] };
    return health.degraded.find(({ code }) => code === "thread-silent");
  });
  expect(state).toMatchObject({ subject: "shard-0", severity: "error", detail: expect.stringContaining("shard-0") });
  expect((await get("/metrics")).text).toContain('endpoint_picker_degraded{state="thread-silent"} 1\n');
  expect(await get("/debug/pprof/profile?seconds=1&thread=shard-0")).toEqual({
    status: 503,
    text: "shard-0 does not answer: busy or stuck\n",
  });
  const states = JSON.parse((await get("/debug/plugins/state")).text) as Record<string, unknown>;
  expect(states).toMatchObject({ control: {}, "shard-0": { error: "it does not answer: busy or stuck" } });
  expect((await get("/debug/pprof/profile?seconds=1&thread=control")).status).toBe(200);

  program.signal("SIGTERM");
  expect(await program.ended).toBe(3);
}, 60_000);
