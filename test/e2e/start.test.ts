import { afterEach, expect, it } from "vitest";
import { findEnvoy } from "../support/envoy.ts";
import { freePortRun, freePorts, occupyPort } from "../support/free-ports.ts";
import { postChat } from "../support/http-client.ts";
import { endPrograms, runProgram } from "../support/programs.ts";

afterEach(endPrograms);

it("npm start with Envoy routes by prefix, and ends Envoy with the rest", async () => {
  const [port, grpc, health, metrics] = (await freePorts(4)) as [number, number, number, number];
  const server = await freePortRun(2);
  const program = runProgram(
    "start/main.js",
    [
      ...["--proxy", "envoy", "--servers", "2", "--server-port", String(server), "--port", String(port)],
      ...["--grpc-port", String(grpc), "--grpc-health-port", String(health), "--metrics-port", String(metrics)],
    ],
    { ENVOY_BIN: findEnvoy()?.path },
  );
  await program.line("One line per decision follows");
  expect(await program.line("proxy ")).toContain("(Envoy)");
  const prompt = "You know everything about birds. ".repeat(60);
  const first = await postChat(port, prompt, { max_tokens: 4 });
  const second = await postChat(port, prompt, { max_tokens: 4 });
  expect([first.status, second.status]).toEqual([200, 200]);
  expect(second.headers["x-simulator"]).toBe(first.headers["x-simulator"]);
  expect(await program.line("| holds ")).toContain(String(first.headers["x-simulator"]));
  program.signal("SIGINT");
  expect(await program.ended).toBe(0);
  for (const freed of [port, grpc, health, metrics, server, server + 1]) await (await occupyPort(freed)).release();
});

it("npm start with an Envoy that does not exist says what to do", async () => {
  const [port, grpc, health, metrics] = (await freePorts(4)) as [number, number, number, number];
  const server = await freePortRun(1);
  const program = runProgram(
    "start/main.js",
    [
      ...["--proxy", "envoy", "--servers", "1", "--server-port", String(server), "--port", String(port)],
      ...["--grpc-port", String(grpc), "--grpc-health-port", String(health), "--metrics-port", String(metrics)],
    ],
    { ENVOY_BIN: "/nowhere/envoy" },
  );
  expect(await program.ended).toBe(2);
  expect(program.errors.at(-1)).toMatch(/^start: envoy could not be started: .*; set ENVOY_BIN to an Envoy binary/);
});
