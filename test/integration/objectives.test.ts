/** Objectives from their file to the refusal of a request, in the program as it is built. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { closeEpps } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody, type RequestAnswer } from "../support/ext-proc-messages.ts";
import { startPickerProgram } from "../support/picker-program.ts";
import { endPrograms } from "../support/programs.ts";

const clients: ExtProcClient[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await endPrograms();
  await closeEpps();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describe("an objective below 0", () => {
  it("is shed while nobody has room, from the moment at which its file says so", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "magpie-objectives-"));
    folders.push(folder);
    const file = path.join(folder, "objectives.yaml");
    writeFileSync(file, "objectives: [{name: batch, priority: -1}, {name: chat, priority: 1}]");
    // Nothing listens there: an endpoint of unknown load counts as full.
    const endpoints = [{ name: "silent", port: 9 }];
    const { grpcPort, program } = await startPickerProgram(endpoints, ["--objectives-file", file]);
    const client = new ExtProcClient(grpcPort);
    clients.push(client);
    const ask = (objective: string): Promise<RequestAnswer> =>
      client.ask(chatBody("hello"), { more: [{ name: "x-llm-d-inference-objective", value: objective }] });
    expect(await ask("batch")).toMatchObject({
      status: 429,
      text: "inference error: ResourceExhausted - system saturated, sheddable request dropped",
    });
    expect(await ask("chat")).toMatchObject({ kind: "routed" });
    writeFileSync(file, "objectives: [{name: chat, priority: -1}]");
    await program.line("objectives file was read again");
    expect(await ask("batch")).toMatchObject({ kind: "routed" });
    expect(await ask("chat")).toMatchObject({ status: 429 });
  });
});
