/** Policies from the control thread to the shards and back, over one real memory, without threads. */

import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../src/base/clock.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import { BUILTIN_PLUGINS } from "../../src/builtins.ts";
import { EndpointRegistry } from "../../src/endpoints/registry.ts";
import type { EndpointSpec } from "../../src/framework/endpoint.ts";
import type { PluginDefinition } from "../../src/framework/plugin.ts";
import { PluginRegistry } from "../../src/framework/registry.ts";
import { PolicyControl } from "../../src/policy-control.ts";
import type { PolicyConfig } from "../../src/scheduling/policy.ts";
import type { FromShard, ToShard } from "../../src/shards/messages.ts";
import { PluginReports } from "../../src/shards/plugin-reports.ts";
import { PolicyLoader } from "../../src/shards/policy-loader.ts";
import { ShardState, type StateOrder } from "../../src/shards/shard-state.ts";
import { AttributeColumns } from "../../src/wasm/attribute-columns.ts";
import { EndpointColumns } from "../../src/wasm/endpoint-columns.ts";
import { layout } from "../../src/wasm/layout.ts";
import { ShardMemory } from "../../src/wasm/shard-memory.ts";
import { testKernel } from "../support/kernel.ts";
import { configOf, testPlugin } from "../support/plugins.ts";

const HANDLER = "single-profile-handler";
const QUEUE = configOf([HANDLER, "queue-scorer"], { default: ["queue-scorer"] });
const KV = configOf([HANDLER, "kv-cache-utilization-scorer"], { default: ["kv-cache-utilization-scorer"] });

interface TestControl {
  readonly control: PolicyControl;
  readonly clock: ManualClock;
  readonly memories: readonly ShardMemory[];
  readonly states: ShardState[];
  readonly raised: string[];
  readonly endpoints: EndpointRegistry;
  readonly attributes: AttributeColumns;
  /** Starts the shards, which begin with what is known now. */
  start(): Promise<void>;
  /** What shards were told and have not been given yet. */
  readonly held: ToShard[][];
  /** Gives the shards what they were told, and waits until they have worked it off. */
  deliver(shard?: number): Promise<void>;
}

function testControl(
  plugins: readonly PluginDefinition[] = [],
  shardCount = 2,
): TestControl & { registry: PluginRegistry } {
  const kernel = testKernel("debug", { shardCount });
  const clock = new ManualClock();
  const raised: string[] = [];
  const registry = new PluginRegistry([...BUILTIN_PLUGINS, ...plugins]);
  const columns = new EndpointColumns(kernel.memory);
  const endpoints = new EndpointRegistry(columns, {
    requestClear: () => undefined,
    isCleared: () => true,
    inFlightRequests: () => 0,
  });
  const memories = Array.from(
    { length: shardCount },
    (_, shard) => new ShardMemory(kernel.memory, kernel.kernel, shard),
  );
  const attributes = new AttributeColumns(kernel.memory, kernel.kernel);
  const held: ToShard[][] = memories.map(() => []);
  const states: ShardState[] = [];
  const control = new PolicyControl({
    memory: kernel.memory,
    kernel: kernel.kernel,
    clock,
    logger: pino({ level: "silent" }),
    degraded: {
      raise: (code, detail) => raised.push(`${code}: ${detail}`),
      clear: (code) => {
        if (raised.some((text) => text.startsWith(code))) raised.push(`${code} over`);
      },
    },
    endpoints: () => endpoints.endpoints,
    columns,
    tell(message) {
      for (const queue of held) queue.push(message);
      return states.map((_, shard) => shard);
    },
  });
  endpoints.onFleetChanged({
    onAdding: (slot, { labels }) => control.onEndpointAdding({ slot, labels }),
    onChanged: () => control.onFleetChanged(),
  });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  return {
    control,
    clock,
    memories,
    states,
    raised,
    endpoints,
    attributes,
    registry,
    held,
    async start() {
      for (const [shard, memory] of memories.entries()) {
        const send = (message: FromShard): void => control.onMessage(shard, message);
        const loader = new PolicyLoader({
          registry,
          clock,
          prng: new Prng(shard),
          columns: attributes,
          reports: new PluginReports({ clock, send }),
          timerOf: () => () => undefined,
        });
        states.push(await ShardState.open({ ...control.beginning(shard), objectives: [] }, { memory, loader, send }));
      }
      for (const queue of held) queue.length = 0;
    },
    async deliver(only) {
      for (const [shard, queue] of held.entries()) {
        if (only !== undefined && only !== shard) continue;
        for (const message of queue.splice(0)) states[shard]?.take(message as StateOrder);
      }
      await settle();
    },
  };
}

const numbers = ({ states }: TestControl): number[] => states.map(({ policies }) => policies.active.number);
const scorersOf = ({ states }: TestControl): unknown[] =>
  states.map(({ policies }) => policies.active.compiled.profiles[0]?.scorers[0]?.name);

describe("policies", () => {
  it("reach every shard, are compiled there, and are held there until the last request on them is over", async () => {
    const test = testControl();
    test.control.replace(QUEUE, test.registry);
    await test.start();
    expect(numbers(test)).toEqual([0, 0]);
    const held = test.states[0]?.policies.acquire();
    test.control.replace(KV, test.registry);
    await test.deliver();
    expect(numbers(test)).toEqual([1, 1]);
    expect(scorersOf(test)).toEqual(["kv-cache-utilization-scorer", "kv-cache-utilization-scorer"]);
    expect(held?.compiled.profiles[0]?.scorers[0]?.name).toBe("queue-scorer");
    // Seven more: every number but the held one, and the active one, is given again.
    const given = new Set<number>();
    for (let count = 0; count < layout.POLICIES_MAX; count++) {
      test.control.replace(QUEUE, test.registry);
      await test.deliver();
      given.add(numbers(test)[0] as number);
    }
    expect(given.has(0)).toBe(false);
    if (held !== undefined) test.states[0]?.policies.release(held);
    for (let count = 0; count < layout.POLICIES_MAX; count++) {
      test.control.replace(QUEUE, test.registry);
      await test.deliver();
      given.add(numbers(test)[0] as number);
    }
    expect(given.has(0)).toBe(true);
  });

  it("wait for shards that have not taken the last one; of several only the newest is published", async () => {
    const test = testControl();
    test.control.replace(QUEUE, test.registry);
    await test.start();
    test.control.replace(KV, test.registry);
    for (let count = 0; count < 20; count++) test.control.replace(QUEUE, test.registry);
    expect(test.control.current?.number).toBe(1);
    await test.deliver(0);
    expect(test.control.current?.number).toBe(1);
    await test.deliver(1);
    expect(test.control.current?.number).toBe(2);
    await test.deliver();
    expect(numbers(test)).toEqual([2, 2]);
    expect(scorersOf(test)).toEqual(["queue-scorer", "queue-scorer"]);
  });

  it("do not wait for a shard that has died", async () => {
    const test = testControl();
    test.control.replace(QUEUE, test.registry);
    await test.start();
    test.control.replace(KV, test.registry);
    test.control.replace(QUEUE, test.registry);
    await test.deliver(0);
    test.control.onShardDeath(1);
    expect(test.control.current?.number).toBe(2);
  });

  it("wait, and say so, while requests hold all numbers", async () => {
    const test = testControl([], 1);
    test.control.replace(QUEUE, test.registry);
    await test.start();
    const held = [test.states[0]?.policies.acquire()];
    for (let count = 1; count < layout.POLICIES_MAX; count++) {
      test.control.replace(QUEUE, test.registry);
      await test.deliver();
      held.push(test.states[0]?.policies.acquire());
    }
    test.control.replace(KV, test.registry);
    await test.deliver();
    expect(scorersOf(test)).toEqual(["queue-scorer"]);
    expect(test.raised).toEqual(["policy-waiting: requests are still on all 7 earlier policies"]);
    const [first] = held;
    if (first !== undefined) test.states[0]?.policies.release(first);
    test.clock.advance(1_000);
    await test.deliver();
    expect(scorersOf(test)).toEqual(["kv-cache-utilization-scorer"]);
    expect(test.raised.at(-1)).toBe("policy-waiting over");
  });

  it("that cannot be compiled change nothing", async () => {
    const test = testControl();
    test.control.replace(QUEUE, test.registry);
    await test.start();
    expect(() => test.control.replace(configOf([HANDLER, "gone"], { default: [] }), test.registry)).toThrow(
      ConfigError,
    );
    await test.deliver();
    expect(numbers(test)).toEqual([0, 0]);
  });

  it("that only a shard cannot compile leave it on the one that it has, and that is said", async () => {
    let isControl = true;
    const fragile = testPlugin("fragile", ["hook"], () => {
      if (isControl) return { hooks: {} };
      throw new ConfigError("not on a shard");
    });
    const test = testControl([fragile]);
    test.control.replace(QUEUE, test.registry);
    await test.start();
    test.control.replace(configOf([HANDLER, "queue-scorer", "fragile"], { default: ["queue-scorer"] }), test.registry);
    isControl = false;
    await test.deliver();
    expect(numbers(test)).toEqual([0, 0]);
    // The next one is not held up by it.
    test.control.replace(KV, test.registry);
    await test.deliver();
    expect(scorersOf(test)).toEqual(["kv-cache-utilization-scorer", "kv-cache-utilization-scorer"]);
  });
});

describe("what follows from the fleet", () => {
  const spec = (name: string, labels: Record<string, string>): EndpointSpec => {
    return { name, namespace: "default", address: `10.0.0.${name}`, port: 8000, labels };
  };
  const FILTERED = configOf([HANDLER, "prefill-filter", "context-length-aware"], {
    default: ["prefill-filter", "context-length-aware"],
  });
  const prefill = { "llm-d.ai/role": "prefill", "llm-d.ai/context-length-range": "10-20" };

  /** Slots that a pick without a body may go to, by trying. */
  function reached(test: TestControl): number[] {
    const [memory, policy] = [test.memories[0] as ShardMemory, test.control.current?.number ?? 0];
    const slots = new Set<number>();
    for (let seedLow = 0; seedLow < 50; seedLow++) {
      const [decided] = memory.decide([{ window: undefined, policy, seedLow, seedHigh: 0 }], 0, { withScores: false });
      if (decided?.kind !== "picked") continue;
      slots.add(decided.slot);
      memory.release(decided);
    }
    return [...slots].sort();
  }

  it("labels are seen by filters and columns: of endpoints before, after, and when they change", async () => {
    const test = testControl();
    test.endpoints.replaceAll([spec("1", prefill)]);
    test.control.replace(FILTERED, test.registry);
    await test.start();
    expect(reached(test)).toEqual([0]);
    test.endpoints.replaceAll([spec("1", prefill), spec("2", prefill), spec("3", {})]);
    expect(reached(test)).toEqual([0, 1]);
    const numbersOf = (slot: number): number[] =>
      [...(test.control.current?.columnNumbers.values() ?? [])].map((column) => test.attributes.get(column, slot));
    expect([numbersOf(0), numbersOf(1), numbersOf(2)]).toEqual([
      [10, 20],
      [10, 20],
      [Number.NaN, Number.NaN],
    ]);
    test.endpoints.replaceAll([spec("1", {}), spec("2", prefill), spec("3", prefill)]);
    expect(reached(test)).toEqual([1, 2]);
    expect([numbersOf(0), numbersOf(2)]).toEqual([
      [Number.NaN, Number.NaN],
      [10, 20],
    ]);
  });

  it("shards know endpoints by name, in the newest state", async () => {
    const test = testControl();
    test.control.replace(QUEUE, test.registry);
    await test.start();
    test.endpoints.replaceAll([spec("1", { a: "b" })]);
    test.endpoints.replaceAll([spec("1", { a: "c" }), spec("2", {})]);
    await test.deliver();
    const { fleet } = test.states[1] as ShardState;
    expect(fleet.endpoints.map(({ id, hostPort }) => [id, hostPort])).toEqual([
      ["default/1", "10.0.0.1:8000"],
      ["default/2", "10.0.0.2:8000"],
    ]);
    expect([fleet.byId("default/1")?.labels, fleet.bySlot(1)?.id, fleet.bySlot(2)]).toEqual([
      { a: "c" },
      "default/2",
      undefined,
    ]);
  });

  it("scraped attributes are written to the columns that policies read", async () => {
    const parameters = { attributeKey: "price", producer: "prices", algorithm: { type: "linear_lower_is_better" } };
    const type = "endpoint-attribute-scorer";
    const prices = testPlugin("prices", ["extractor"], () => ({}), {
      produces: () => [{ name: "endpointAttribute:price", unit: "", source: "" }],
    });
    const withPrices = testControl([prices]);
    const config: PolicyConfig = configOf([HANDLER, "prices", type], { default: [type] }, { [type]: parameters });
    withPrices.endpoints.replaceAll([spec("1", {}), spec("2", {})]);
    withPrices.control.replace(config, withPrices.registry);
    await withPrices.start();
    withPrices.control.setAttributes(
      0,
      new Map([
        ["price", 2],
        ["other", 9],
      ]),
    );
    withPrices.control.setAttributes(1, new Map([["price", 1]]));
    expect(reached(withPrices)).toEqual([1]);
    withPrices.control.setAttributes(1, new Map());
    expect(reached(withPrices)).toEqual([0]);
  });

  it("the block size is tuned to what the first engine reports, without new instances of plugins", async () => {
    let instances = 0;
    const counting = testPlugin("counting", ["hook"], () => {
      instances++;
      return { hooks: {} };
    });
    const test = testControl([counting], 1);
    test.endpoints.replaceAll([spec("1", {}), spec("2", {})]);
    const types = [HANDLER, "prefix-cache-scorer", "approx-prefix-cache-producer", "counting"];
    test.control.replace(configOf(types, { default: ["prefix-cache-scorer"] }), test.registry);
    await test.start();
    const [memory] = test.memories as [ShardMemory];
    const blockSize = (): number => memory.blockSize(numbers(test)[0] as number);
    const before = [blockSize(), instances];
    test.control.onCacheShape(1, { blockSizeTokens: 128, blockCount: 1_000 });
    await test.deliver();
    expect([before, blockSize(), instances]).toEqual([[256, 2], 512, 2]);
    // The first endpoint goes before the second; small blocks are raised to 64 tokens.
    test.control.onCacheShape(0, { blockSizeTokens: 16, blockCount: 1_000 });
    await test.deliver();
    expect(blockSize()).toBe(256);
  });
});
