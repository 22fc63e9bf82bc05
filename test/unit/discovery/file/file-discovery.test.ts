/** Endpoints out of real files that are changed in every way that people and Kubernetes change them. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { ConfigError } from "../../../../src/base/errors.ts";
import { FILE_POLL_MS, FILE_SETTLE_MS } from "../../../../src/config/defaults.ts";
import { FileDiscovery } from "../../../../src/discovery/file/file-discovery.ts";
import type { EndpointSpec } from "../../../../src/framework/endpoint.ts";
import type { Logger } from "../../../../src/telemetry/logger.ts";
import { until } from "../../../support/until.ts";

let folder: string;
const running: FileDiscovery[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "magpie-discovery-"));
});

afterEach(() => {
  for (const discovery of running.splice(0)) discovery.close();
  rmSync(folder, { recursive: true });
});

const text = (...names: string[]): string =>
  `endpoints:\n${names.map((name, at) => `- {name: ${name}, address: 10.0.0.${at + 1}, port: 80}\n`).join("")}`;

interface Bed {
  readonly clock: ManualClock;
  readonly discovery: FileDiscovery;
  /** Names of the fleets that were applied, the latest last. */
  readonly fleets: string[][];
  readonly states: ReadonlyMap<string, string>;
  readonly control: { endpointsFileReloads: number; endpointsFileFaults: number };
  /** Makes the next applications fail. */
  readonly room: { isThere: boolean };
  /** Moves time, and lets the file system speak, until this holds. */
  passUntil(what: string, holds: () => boolean, stepMs?: number): Promise<void>;
}

async function start(file: string, { watches = true } = {}): Promise<Bed> {
  const clock = new ManualClock();
  const fleets: string[][] = [];
  const states = new Map<string, string>();
  const control = { endpointsFileReloads: 0, endpointsFileFaults: 0 };
  const room = { isThere: true };
  const discovery = new FileDiscovery({
    path: file,
    watches,
    clock,
    logger: { info: () => undefined } as unknown as Logger,
    degraded: {
      raise: (code, detail) => void states.set(code, detail),
      clear: (code) => void states.delete(code),
    },
    control,
    apply(specs: readonly EndpointSpec[]) {
      if (!room.isThere) throw new ConfigError("1 new endpoints find no room");
      fleets.push(specs.map(({ name }) => name));
      return { added: 0, removed: 0, relabelled: 0 };
    },
  });
  running.push(discovery);
  await discovery.start();
  return {
    clock,
    discovery,
    fleets,
    states,
    control,
    room,
    passUntil: async (what, holds, stepMs = FILE_SETTLE_MS) => {
      await until(what, () => {
        if (holds()) return true;
        clock.advance(stepMs);
        return false;
      });
    },
  };
}

function write(name: string, content: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}

describe("an endpoints file that changes", () => {
  it.each([
    { name: "written in place", change: () => void write("fleet.yaml", text("b", "c")) },
    {
      name: "replaced by a rename",
      change: () => renameSync(write("new.yaml", text("b", "c")), path.join(folder, "fleet.yaml")),
    },
    {
      name: "deleted and written again",
      change: () => {
        unlinkSync(path.join(folder, "fleet.yaml"));
        write("fleet.yaml", text("b", "c"));
      },
    },
  ])("$name is read again", async ({ change }) => {
    const { fleets, control, passUntil } = await start(write("fleet.yaml", text("a")));
    expect(fleets).toEqual([["a"]]);
    change();
    await passUntil("the new fleet", () => fleets.length > 1);
    expect(fleets).toEqual([["a"], ["b", "c"]]);
    expect(control).toEqual({ endpointsFileReloads: 1, endpointsFileFaults: 0 });
  });

  it("mounted from a ConfigMap is read again when its folder's link is swapped, each time", async () => {
    const mount = (version: string, names: string[]): void => {
      mkdirSync(path.join(folder, version));
      writeFileSync(path.join(folder, version, "fleet.yaml"), text(...names));
      symlinkSync(version, path.join(folder, "..data.new"));
      renameSync(path.join(folder, "..data.new"), path.join(folder, "..data"));
    };
    mount("..v1", ["a"]);
    symlinkSync("..data/fleet.yaml", path.join(folder, "fleet.yaml"));
    const { fleets, passUntil } = await start(path.join(folder, "fleet.yaml"));
    mount("..v2", ["b"]);
    rmSync(path.join(folder, "..v1"), { recursive: true });
    await passUntil("the second version", () => fleets.length > 1);
    mount("..v3", ["c"]);
    await passUntil("the third version", () => fleets.length > 2);
    expect(fleets).toEqual([["a"], ["b"], ["c"]]);
  });

  it("where no event tells of it is read at the next look", async () => {
    const elsewhere = mkdtempSync(path.join(tmpdir(), "magpie-elsewhere-"));
    try {
      writeFileSync(path.join(elsewhere, "fleet.yaml"), text("a"));
      symlinkSync(path.join(elsewhere, "fleet.yaml"), path.join(folder, "fleet.yaml"));
      const { clock, fleets, passUntil } = await start(path.join(folder, "fleet.yaml"));
      writeFileSync(path.join(elsewhere, "fleet.yaml"), text("b"));
      clock.advance(FILE_POLL_MS - 1);
      expect(fleets).toEqual([["a"]]);
      await passUntil("the new fleet", () => fleets.length > 1);
      expect(fleets).toEqual([["a"], ["b"]]);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  it("that is being written is read when it is whole", async () => {
    const { clock, fleets, control, states, passUntil } = await start(write("fleet.yaml", text("a")));
    // Three looks find three different files; none of them is read.
    for (const half of ["endpoints: [{", "endpoints: [{name: b", "endpoints: [{name: b, address: 10.0.0.1"]) {
      write("fleet.yaml", half);
      await until("a timer for the look", () => clock.pendingCount === 2);
      clock.advance(FILE_SETTLE_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
    write("fleet.yaml", text("b"));
    await passUntil("the new fleet", () => fleets.length > 1);
    expect([fleets, control.endpointsFileFaults, states.size]).toEqual([[["a"], ["b"]], 0, 0]);
  });

  it("in another file of its folder is not read again", async () => {
    const { clock, fleets, control } = await start(write("fleet.yaml", text("a")));
    write("other.yaml", text("b"));
    await until("the event", () => clock.pendingCount === 2);
    clock.advance(FILE_SETTLE_MS);
    await new Promise((resolve) => setImmediate(resolve));
    expect([fleets.length, control.endpointsFileReloads]).toEqual([1, 0]);
  });

  it("is left alone when nobody asked to watch it", async () => {
    const { clock, fleets } = await start(write("fleet.yaml", text("a")), { watches: false });
    write("fleet.yaml", text("b"));
    expect(clock.pendingCount).toBe(0);
    expect(fleets).toEqual([["a"]]);
  });

  it("leaves no timer behind when it is closed", async () => {
    const { clock, discovery } = await start(write("fleet.yaml", text("a")));
    write("other", "");
    await until("the event", () => clock.pendingCount === 2);
    discovery.close();
    expect(clock.pendingCount).toBe(0);
  });
});

describe("an endpoints file that is broken", () => {
  it("at start is an error with its place", async () => {
    const file = write("fleet.yaml", "endpoints:\n- {name: a, address: x, port: 80}\n");
    await expect(start(file)).rejects.toThrow(`${file}:2:22: endpoints[0].address: must be an IPv4 or IPv6 address`);
  });

  it.each([
    { name: "a fault in it", content: "endpoints: [{name: a, port: 80}]", detail: /fleet\.yaml:1:13: endpoints\[0\]/ },
    { name: "no YAML", content: "endpoints: [{", detail: /fleet\.yaml:1:\d+: not readable as YAML/ },
    { name: "nothing in it", content: "", detail: /fleet\.yaml:1:1: document/ },
  ])("by $name keeps the fleet and is a degraded state until it is mended", async ({ content, detail }) => {
    const { fleets, states, control, passUntil } = await start(write("fleet.yaml", text("a")));
    write("fleet.yaml", content);
    await passUntil("the fault", () => states.size > 0);
    expect([...states]).toEqual([["endpoints-file-bad", expect.stringMatching(detail)]]);
    expect([fleets, control]).toEqual([[["a"]], { endpointsFileReloads: 0, endpointsFileFaults: 1 }]);
    write("fleet.yaml", text("b"));
    await passUntil("the new fleet", () => fleets.length > 1);
    expect([states.size, control]).toEqual([0, { endpointsFileReloads: 1, endpointsFileFaults: 1 }]);
  });

  it("by its absence is the same", async () => {
    const file = write("fleet.yaml", text("a"));
    const { fleets, states, passUntil } = await start(file);
    unlinkSync(file);
    await passUntil("the fault", () => states.size > 0);
    expect(states.get("endpoints-file-bad")).toMatch(/cannot be read: ENOENT/);
    write("fleet.yaml", text("a"));
    await passUntil("the fleet", () => fleets.length > 1);
    expect(states.size).toBe(0);
  });

  it("that finds no room is tried again although it stays as it is", async () => {
    const { fleets, states, control, room, passUntil } = await start(write("fleet.yaml", text("a")));
    room.isThere = false;
    write("fleet.yaml", text("a", "b"));
    await passUntil("the fault", () => states.size > 0);
    expect(states.get("endpoints-file-bad")).toBe("1 new endpoints find no room");
    room.isThere = true;
    await passUntil("the new fleet", () => fleets.length > 1, FILE_POLL_MS);
    expect([fleets.at(-1), states.size, control.endpointsFileReloads]).toEqual([["a", "b"], 0, 1]);
  });
});
