/** Real signals to a real process, which runs the built `signals.js`. */
import { afterEach, describe, expect, it } from "vitest";
import { endPrograms, runProgram, type TestProgram } from "../../support/programs.ts";

afterEach(endPrograms);

/** A program that ends in this way once it is told to, ready to be told. */
async function readyProgram(how: "quickly" | "never" | "badly"): Promise<TestProgram> {
  const program = runProgram("../../test/support/ending-program.mjs", [how]);
  await program.line("ready");
  return program;
}

describe("ending on signals", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "%s asks the program to end, and it exits with 0 when it has",
    async (signal) => {
      const program = await readyProgram("quickly");
      program.signal(signal);
      expect(await program.ended).toBe(0);
      expect(program.output).toEqual(["ready", "ending"]);
      expect(program.errors).toEqual([]);
    },
  );

  it.each([
    ["SIGINT", "SIGINT"],
    ["SIGTERM", "SIGINT"],
    ["SIGINT", "SIGTERM"],
    ["SIGTERM", "SIGTERM"],
  ] as const)("after %s, %s ends at once what does not end", async (first, second) => {
    const program = await readyProgram("never");
    program.signal(first);
    await program.line("ending");
    program.signal(second);
    expect(await program.ended).toBe(130);
    expect(program.output).toEqual(["ready", "ending"]);
  });

  it("a program that cannot end cleanly says why and exits with 1", async () => {
    const program = await readyProgram("badly");
    program.signal("SIGTERM");
    expect(await program.ended).toBe(1);
    expect(program.errors).toEqual(["the program did not end cleanly: a port would not close"]);
  });
});
