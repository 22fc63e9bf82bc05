import { afterEach, describe, expect, it } from "vitest";
import { parseArguments } from "../../../src/devproxy/arguments.ts";
import { runDevproxy } from "../../../src/devproxy/run-devproxy.ts";
import { ask, closeBeds, startBed } from "../../support/devproxy-bed.ts";

afterEach(closeBeds);

/** Runs the program; `printed` grows while it runs. */
function run(args: readonly string[], stopped: Promise<unknown> = Promise.resolve()) {
  const printed: string[] = [];
  const errors: string[] = [];
  let firstLine = (): void => {};
  const hasPrinted = new Promise<void>((resolve) => {
    firstLine = resolve;
  });
  const print = (line: string): void => {
    printed.push(line);
    firstLine();
  };
  const code = runDevproxy({ args, print, printError: (line) => errors.push(line), stopped });
  return { code, printed, errors, hasPrinted };
}

describe("the devproxy's arguments", () => {
  it("have defaults", () => {
    expect(parseArguments([])).toEqual({
      listen: { host: "127.0.0.1", port: 8080 },
      picker: { host: "127.0.0.1", port: 9002 },
      fallback: undefined,
      failureModeAllow: false,
      isQuiet: false,
    });
  });

  it.each([
    ["8081", { host: "127.0.0.1", port: 8081 }],
    ["0.0.0.0:0", { host: "0.0.0.0", port: 0 }],
    ["[::1]:80", { host: "::1", port: 80 }],
    ["picker.test:80", { host: "picker.test", port: 80 }],
  ])("take %s for an address", (text, expected) => {
    expect(parseArguments(["--listen", text])?.listen).toEqual(expected);
  });

  it.each(["", "host", "host:", "host:65536", "host:-1", "::1:80", ":80"])('do not take "%s" for one', (text) => {
    expect(() => parseArguments([`--listen=${text}`])).toThrow("--listen");
  });

  it("want a picker's port that is not 0", () => {
    expect(() => parseArguments(["--picker", "0"])).toThrow("1 … 65535");
  });

  it("do not take what they do not know", () => {
    expect(() => parseArguments(["--pickers", "1"])).toThrow("--pickers");
  });
});

describe("the devproxy as a program", () => {
  it("prints its help and ends", async () => {
    const { code, printed } = run(["--help"]);
    expect(await code).toBe(0);
    expect(printed[0]).toContain("--picker");
  });

  it("ends with 2 and says what is wrong with its arguments", async () => {
    const { code, errors } = run(["--listen", "nowhere"]);
    expect(await code).toBe(2);
    expect(errors[0]).toContain('"nowhere" is not [host:]port');
  });

  it("ends with 1 and names the port when that is taken", async () => {
    const bed = await startBed();
    const { code, errors } = run(["--listen", String(bed.proxy.port)]);
    expect(await code).toBe(1);
    expect(errors).toEqual([
      `devproxy: port ${bed.proxy.port} of 127.0.0.1 is taken by another program; choose one with --listen`,
    ]);
  });

  it("serves, prints a line for each exchange, and ends with 0 when it is stopped", async () => {
    const bed = await startBed();
    let stop = (): void => {};
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    const { code, printed, hasPrinted } = run(["--listen", "0", "--picker", String(bed.picker.port)], stopped);
    await hasPrinted;
    const port = Number(/:(\d+),/.exec(printed[0] ?? "")?.[1]);
    await ask(port, { path: "/v1/models" });
    stop();
    expect(await code).toBe(0);
    expect(printed[1]).toMatch(
      new RegExp(
        `^GET /v1/models -> 127\\.0\\.0\\.1:${bed.upstreamPort} \\(picked in \\d+\\.\\d ms\\) 200 completed in`,
      ),
    );
  });
});
