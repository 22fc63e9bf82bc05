/** The writer of the endpoint columns and the addresses that shards read from them. */
import { describe, expect, it } from "vitest";
import { hostPort } from "../../../src/framework/endpoint.ts";
import { AttributeColumns } from "../../../src/wasm/attribute-columns.ts";
import { EndpointAddresses } from "../../../src/wasm/endpoint-addresses.ts";
import { EndpointColumns } from "../../../src/wasm/endpoint-columns.ts";
import { EndpointNames } from "../../../src/wasm/endpoint-names.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { createSharedMemory } from "../../../src/wasm/regions.ts";
import { KERNEL_BUILDS, testKernel } from "../../support/kernel.ts";

function setUp(): { columns: EndpointColumns; addresses: EndpointAddresses; view: DataView } {
  const memory = createSharedMemory({ shardCount: 1, streamWindowCount: 1, indexSlotsLog2: 12 });
  return {
    columns: new EndpointColumns(memory),
    addresses: new EndpointAddresses(memory),
    view: new DataView(memory.buffer),
  };
}

const LONGEST_V6 = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255";

describe("endpoint columns", () => {
  it.each([
    { address: "10.0.0.1", port: 8000, text: "10.0.0.1:8000" },
    { address: "255.255.255.255", port: 65_535, text: "255.255.255.255:65535" },
    { address: "::1", port: 80, text: "[::1]:80" },
    { address: LONGEST_V6, port: 65_535, text: `[${LONGEST_V6}]:65535` },
  ])("an address reaches the shards as $text", ({ address, port, text }) => {
    const { columns, addresses } = setUp();
    columns.add(3, hostPort({ address, port }));
    expect(addresses.hostPort(3)).toBe(text);
    expect(addresses.slotsOf([address])).toEqual([3]);
  });

  it("each new endpoint in a slot has the next generation, and nothing is known of it", () => {
    const { columns, view } = setUp();
    const generations = [];
    for (const round of [1, 2, 3]) {
      generations.push(columns.add(7, `10.0.0.${round}:80`));
      columns.setReachable(7, false);
      columns.setScraped(7, {
        queueDepthRequests: 5,
        runningRequests: 6,
        kvCacheUsageFraction: 0.5,
        inFlightAtScrape: 4,
        scrapedAtMs: 99,
      });
      columns.remove(7);
    }
    expect(generations).toEqual([1, 2, 3]);
    expect(columns.add(8, "10.0.0.8:80")).toBe(1);
    columns.add(7, "10.0.0.7:80");
    const floats = [layout.COLUMN_QUEUE_DEPTH, layout.COLUMN_RUNNING, layout.COLUMN_KV_CACHE_USAGE];
    expect(floats.map((column) => view.getFloat32(column + 7 * 4, true))).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(view.getUint32(layout.COLUMN_IN_FLIGHT_AT_SCRAPE + 7 * 4, true)).toBe(0);
    expect(view.getFloat64(layout.COLUMN_SCRAPED_AT_MS + 7 * 8, true)).toBe(0);
    expect(view.getUint32(layout.COLUMN_STATE + 7 * 4, true)).toBe(layout.ENDPOINT_PRESENT | layout.ENDPOINT_REACHABLE);
  });

  it("what stands outside the columns' version is forgotten, too, and of that slot alone", () => {
    const { memory, kernel, view } = testKernel(KERNEL_BUILDS[0]);
    const columns = new EndpointColumns(memory);
    const names = new EndpointNames(memory, kernel);
    const attributes = new AttributeColumns(memory, kernel);
    const flagsOf = (slot: number): number[] =>
      [layout.ADAPTERS, layout.SERVED_MODELS].map((tables) =>
        view.getUint32(tables + slot * layout.ENDPOINT_NAMES_STRIDE + layout.ENDPOINT_NAMES_FLAGS, true),
      );
    const coldPick = (slot: number): bigint => view.getBigUint64(layout.COLD_PICK_NUMBERS + slot * 8, true);
    const laneLimit = (slot: number): number => view.getUint32(layout.COLUMN_LANE_LIMIT + slot * 4, true);
    for (const slot of [6, 7]) {
      columns.add(slot, "10.0.0.1:80");
      columns.setLaneLimit(slot, 100);
      for (const column of [0, layout.ATTRIBUTES_MAX - 1]) attributes.set(column, slot, 3.5);
      names.setServedModels(slot, ["base"]);
      names.setAdapters(slot, { running: ["a"], waiting: [], loadedMax: 4 });
      view.setBigUint64(layout.COLD_PICK_NUMBERS + slot * 8, 9n, true);
    }
    columns.remove(7);
    columns.add(7, "10.0.0.2:80");
    expect([flagsOf(7), coldPick(7), laneLimit(7)]).toEqual([[0, 0], 0n, 0]);
    expect(attributes.get(0, 7)).toBeNaN();
    expect(attributes.get(layout.ATTRIBUTES_MAX - 1, 7)).toBeNaN();
    const known = layout.ENDPOINT_NAMES_KNOWN;
    expect([flagsOf(6), coldPick(6), laneLimit(6)]).toEqual([[known | layout.ENDPOINT_NAMES_ROOM, known], 9n, 100]);
    expect(attributes.get(0, 6)).toBe(3.5);
    // The same names again are written again: the table was emptied.
    names.setServedModels(7, ["base"]);
    expect(flagsOf(7)).toEqual([0, known]);
  });

  it("an endpoint is backed off or not, whether it is reachable or not", () => {
    const { columns, view } = setUp();
    const state = (): number => view.getUint32(layout.COLUMN_STATE, true);
    columns.add(0, "10.0.0.1:80");
    const before = state();
    columns.setBackedOff(0, true);
    expect(state()).toBe(before | layout.ENDPOINT_BACKED_OFF);
    columns.setReachable(0, false);
    columns.setBackedOff(0, false);
    expect(state()).toBe(layout.ENDPOINT_PRESENT);
  });

  it("a lane limit is a positive number or none", () => {
    const { columns, view } = setUp();
    const limit = (): number => view.getUint32(layout.COLUMN_LANE_LIMIT, true);
    columns.setLaneLimit(0, 77);
    expect(limit()).toBe(77);
    columns.setLaneLimit(0, undefined);
    expect(limit()).toBe(0);
    expect(() => columns.setLaneLimit(0, 0)).toThrow("lane limit 0");
  });

  it("numbers that a scrape did not find are unknown, whatever was known before", () => {
    const { columns, view } = setUp();
    columns.add(0, "10.0.0.1:80");
    const known = { queueDepthRequests: 1, runningRequests: 2, kvCacheUsageFraction: 0.25 };
    const scrape = { inFlightAtScrape: 3, scrapedAtMs: 50 };
    const read = (): number[] =>
      [layout.COLUMN_QUEUE_DEPTH, layout.COLUMN_RUNNING, layout.COLUMN_KV_CACHE_USAGE].map((column) =>
        view.getFloat32(column, true),
      );
    columns.setScraped(0, { ...known, ...scrape });
    expect(read()).toEqual([1, 2, 0.25]);
    columns.setScraped(0, {
      queueDepthRequests: undefined,
      runningRequests: 7,
      kvCacheUsageFraction: undefined,
      ...scrape,
    });
    expect(read()).toEqual([Number.NaN, 7, Number.NaN]);
  });

  it("the version is even between changes and rises with each", () => {
    const { columns, view } = setUp();
    const versions = [view.getInt32(layout.ENDPOINTS, true)];
    const changes = [
      () => columns.add(0, "10.0.0.1:80"),
      () => columns.setReachable(0, false),
      () => columns.remove(0),
    ];
    for (const change of changes) {
      change();
      versions.push(view.getInt32(layout.ENDPOINTS, true));
    }
    expect(versions).toEqual([0, 2, 4, 6]);
  });

  it("the slot count covers the highest slot that was ever used", () => {
    const { columns, view } = setUp();
    const count = (): number => view.getUint32(layout.ENDPOINTS + layout.ENDPOINTS_SLOT_COUNT, true);
    columns.add(5, "10.0.0.1:80");
    columns.add(2, "10.0.0.2:80");
    expect(count()).toBe(6);
    columns.add(layout.ENDPOINTS_MAX - 1, "10.0.0.3:80");
    columns.remove(layout.ENDPOINTS_MAX - 1);
    expect(count()).toBe(layout.ENDPOINTS_MAX);
  });

  it.each([
    {
      name: "an address longer than its place",
      slot: 0,
      text: "x".repeat(layout.ADDRESS_SIZE_MAX + 1),
      message: "longer than",
    },
    { name: "a slot beyond the last", slot: layout.ENDPOINTS_MAX, text: "10.0.0.1:80", message: "slot 1024" },
    { name: "a slot before the first", slot: -1, text: "10.0.0.1:80", message: "slot -1" },
  ])("$name is a programmer's error, and the columns stay readable", ({ slot, text, message }) => {
    const { columns, view } = setUp();
    expect(() => columns.add(slot, text)).toThrow(message);
    expect(view.getInt32(layout.ENDPOINTS, true) % 2).toBe(0);
  });
});

describe("endpoint addresses", () => {
  it("an address is read anew when another endpoint has its slot", () => {
    const { columns, addresses } = setUp();
    columns.add(0, "10.0.0.1:80");
    expect([addresses.hostPort(0), addresses.slotsOf(["10.0.0.1"])]).toEqual(["10.0.0.1:80", [0]]);
    columns.remove(0);
    expect(addresses.slotsOf(["10.0.0.1"])).toEqual([]);
    expect(addresses.hostPort(0)).toBe("10.0.0.1:80");
    columns.add(0, "10.0.0.2:80");
    expect([addresses.hostPort(0), addresses.slotsOf(["10.0.0.1", "10.0.0.2"])]).toEqual(["10.0.0.2:80", [0]]);
  });

  it("one address may have several ports, and addresses that nobody has are passed over", () => {
    const { columns, addresses } = setUp();
    for (const [slot, text] of ["10.0.0.1:80", "[::1]:80", "10.0.0.1:81", "10.0.0.11:80"].entries())
      columns.add(slot, text);
    expect(addresses.slotsOf(["10.0.0.1"])).toEqual([0, 2]);
    expect(addresses.slotsOf(["::1", "10.0.0.99", "10.0.0.11"])).toEqual([1, 3]);
  });
});
