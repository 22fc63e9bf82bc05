/** Users' own filters, scorers, pickers and parsers, and what a decision does when they fail. */
import { describe, expect, it } from "vitest";
import type { Plugin, PluginDefinition, SharedColumn } from "../../../src/framework/plugin.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { type TestShard, type TestShardOptions, testShard } from "../../support/conversation.ts";
import {
  bodyMessages,
  chatBody,
  type RequestAnswer,
  readRequestAnswer,
  requestHeaders,
} from "../../support/ext-proc-messages.ts";
import { endpoint } from "../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";
import { configOf, testPlugin } from "../../support/plugins.ts";

const HANDLER = "single-profile-handler";
const REGIONS = ["eu", "us", "asia"].map((region) => ({ region }));

/** A policy whose profile lists this plugin with a queue scorer behind it. */
function shardWith(
  facet: PluginDefinition["facets"][number],
  plugin: Plugin,
  options: TestShardOptions = {},
): TestShard {
  const definition = testPlugin("own", [facet], () => plugin);
  const profile = facet === "picker" ? ["queue-scorer", "own"] : ["own", "queue-scorer"];
  const config = configOf([HANDLER, "queue-scorer", "own"], {
    default: facet === "parser" ? ["queue-scorer"] : profile,
  });
  return testShard({
    plugins: [definition],
    config: facet === "parser" ? { ...config, parsers: ["openai-parser", "own", "passthrough-parser"] } : config,
    labels: REGIONS,
    ...options,
  });
}

function ask(shard: TestShard, options: { path?: string; body?: Buffer; region?: string } = {}): RequestAnswer {
  const { path, body = chatBody("hello"), region = "" } = options;
  const stream = shard.open();
  const more = region === "" ? [] : [{ name: "x-region", value: region }];
  stream.send(requestHeaders({ ...(path !== undefined && { path }), more }), ...bodyMessages("requestBody", body));
  shard.turn();
  return readRequestAnswer(stream.answers);
}

const slots = (shard: TestShard): number[] => shard.decisions.map(({ pick }) => pick.slot);
const fail = (): never => {
  throw new Error("broken");
};

describe.each(KERNEL_BUILDS)("a user's filter (%s build)", (build) => {
  it("keeps the candidates that it says, by what it knows of them and of the request", () => {
    const filter: Plugin = {
      headers: ["x-region"],
      filter: {
        filter(request, candidates, keep) {
          const wanted = request.header("x-region");
          for (let position = 0; position < candidates.count; position++) {
            keep[position] = candidates.at(position).endpoint.labels["region"] === wanted ? 1 : 0;
          }
        },
      },
    };
    const shard = shardWith("filter", filter, { build });
    for (const region of ["asia", "eu", "us"]) ask(shard, { region });
    expect(slots(shard)).toEqual([2, 0, 1]);
    expect(ask(shard, { region: "mars" })).toMatchObject({ status: 429 });
  });

  it("that fails keeps all, whatever it wrote before", () => {
    const filter: Plugin = {
      filter: {
        filter(_request, _candidates, keep) {
          keep.fill(0);
          fail();
        },
      },
    };
    const shard = shardWith("filter", filter, { build });
    expect(ask(shard).kind).toBe("routed");
    expect(shard.decisions[0]?.pick.candidateCount).toBe(3);
    expect(shard.pluginReports).toEqual(["own threw: broken"]);
  });
});

describe.each(KERNEL_BUILDS)("a user's scorer (%s build)", (build) => {
  it("scores each candidate, and its scores are weighted like all others", () => {
    const scorer: Plugin = {
      scorer: {
        score(_request, candidates, scores) {
          for (let position = 0; position < candidates.count; position++) {
            scores[position] = candidates.at(position).endpoint.slot === 1 ? 1 : 0.25;
          }
        },
      },
    };
    const shard = shardWith("scorer", scorer, { build });
    ask(shard);
    expect(shard.decisions[0]?.pick).toMatchObject({ slot: 1, scores: [1, 1], total: 2 });
  });

  it("sees the load of each candidate, with what was picked before", () => {
    const seen: unknown[] = [];
    const scorer: Plugin = {
      scorer: {
        score(_request, candidates, scores) {
          scores.fill(0.5);
          const { queueDepthRequests, kvCacheUsageFraction, inFlightRequests, blockCount } = candidates.at(0);
          seen.push([queueDepthRequests, kvCacheUsageFraction, inFlightRequests, blockCount]);
        },
      },
    };
    const loads = [endpoint({ queueDepthRequests: 3, kvCacheUsageFraction: 0.5 })];
    const shard = shardWith("scorer", scorer, { build, loads });
    ask(shard);
    ask(shard);
    expect(seen).toEqual([
      [3, 0.5, 0, 1],
      [expect.any(Number), 0.5, 1, 1],
    ]);
  });

  it("that fails knows no score: the others decide", () => {
    const scorer: Plugin = {
      scorer: {
        score(_request, _candidates, scores) {
          scores[0] = 1;
          fail();
        },
      },
    };
    const loads = [9, 0, 9].map((queueDepthRequests) => endpoint({ queueDepthRequests }));
    const shard = shardWith("scorer", scorer, { build, loads });
    ask(shard);
    expect(slots(shard)).toEqual([1]);
  });
});

describe.each(KERNEL_BUILDS)("a user's picker (%s build)", (build) => {
  const picking = (pick: (count: number, totals: Float64Array) => unknown, targetsMax = 1): Plugin => ({
    picker: { targetsMax, pick: (_request, { count }, totals) => pick(count, totals) as number[] },
  });

  it("names the picked one and those to fall back to", () => {
    const shard = shardWith(
      "picker",
      picking(() => [2, 0, 1], 2),
      { build },
    );
    expect(ask(shard)).toMatchObject({ destination: "10.0.0.2:8000,10.0.0.0:8000" });
    expect(shard.counters.inFlightRequests(2)).toBe(1);
  });

  it.each([
    { name: "throws", pick: fail, report: "own threw: broken" },
    { name: "names nobody", pick: () => [], report: "own bad-result: pick returned no list of positions" },
    {
      name: "names a position that is not there",
      pick: () => [3],
      report: "own bad-result: pick returned position 3 of 3 candidates",
    },
    { name: "names one twice", pick: () => [1, 1], report: "own bad-result: pick returned a position twice" },
    {
      name: "returns a promise",
      pick: () => Promise.resolve([0]),
      report: "own bad-result: it returned a promise; plugins are called and answer at once",
    },
  ])("that $name is replaced by the highest total", ({ pick, report }) => {
    const loads = [9, 9, 0].map((queueDepthRequests) => endpoint({ queueDepthRequests }));
    const shard = shardWith("picker", picking(pick), { build, loads });
    expect(ask(shard)).toMatchObject({ destination: "10.0.0.2:8000" });
    expect(shard.pluginReports).toEqual([report]);
  });
});

describe("requests with users' functions", () => {
  it("are decided in the order of arrival among those without", () => {
    const order: string[] = [];
    const scorer: Plugin = { scorer: { score: ({ requestId }) => void order.push(requestId) } };
    const shard = shardWith("scorer", scorer);
    for (const requestId of ["a", "b", "c"]) {
      shard.open().send(requestHeaders({ requestId }), ...bodyMessages("requestBody", chatBody("hello")));
    }
    shard.turn();
    expect(order).toEqual(["a", "b", "c"]);
    expect(shard.decisions.map(({ requestId, batchSize }) => [requestId, batchSize])).toEqual(
      order.map((id) => [id, 1]),
    );
    // Each saw the charge of the one before: three idle endpoints take one each.
    expect(slots(shard).toSorted()).toEqual([0, 1, 2]);
  });
});

describe("a user's parser", () => {
  const parser = (parse: NonNullable<Plugin["parser"]>["parse"]): Plugin => ({
    headers: ["x-region"],
    parser: { claims: ["/v9/ask"], parse },
  });
  const path = "/v9/ask";

  it("reads bodies of the paths that it claims: model, prompt and stream", () => {
    const shard = shardWith(
      "parser",
      parser((body, header) => {
        const [model, prompt] = body.toString().split("|") as [string, string];
        return { model: `${model}-${header("x-region")}`, prompt, isStream: true };
      }),
    );
    const answer = ask(shard, { path, region: "eu", body: Buffer.from(`m|${"p".repeat(1_000)}`) });
    expect(answer.kind).toBe("routed");
    expect(shard.decisions).toMatchObject([{ model: "m-eu", pick: { blockCount: 1 } }]);
    expect(shard.unknownNames).toEqual(["m-eu"]);
    expect(shard.freeWindowCount()).toBe(16);
  });

  it("gets the whole body, in however many pieces it comes", () => {
    const bodies: string[] = [];
    const shard = shardWith(
      "parser",
      parser((body) => {
        bodies.push(body.toString());
        return {};
      }),
    );
    const stream = shard.open();
    stream.send(
      requestHeaders({ path }),
      ...bodyMessages("requestBody", Buffer.from("one two three"), { pieceSize: 5 }),
    );
    shard.turn();
    expect(bodies).toEqual(["one two three"]);
    expect(readRequestAnswer(stream.answers)).toMatchObject({ kind: "routed", body: Buffer.from("one two three") });
  });

  it("claims nothing else: other paths are read as ever", () => {
    const shard = shardWith("parser", parser(fail));
    expect(ask(shard, { body: chatBody("hello", "model-b") }).kind).toBe("routed");
    expect(shard.decisions[0]?.model).toBe("model-b");
  });

  it("is bound to the limit of bodies", () => {
    const shard = shardWith(
      "parser",
      parser(() => ({})),
      { requestBodySizeMax: 100 },
    );
    expect(ask(shard, { path, body: Buffer.alloc(101) })).toMatchObject({ status: 413 });
  });

  it.each([
    { name: "throws", parse: fail, report: "own threw: broken" },
    { name: "returns nothing", parse: () => undefined, report: "own bad-result: parse returned no object" },
    {
      name: "returns a number as model",
      parse: () => ({ model: 7 }),
      report: "own bad-result: parse returned a model that is no text",
    },
    {
      name: "returns an object as prompt",
      parse: () => ({ prompt: {} }),
      report: /^own bad-result: parse returned a prompt that is neither/,
    },
  ])("that $name has the body sent on unread", ({ parse, report }) => {
    const shard = shardWith("parser", parser(parse as never));
    expect(ask(shard, { path })).toMatchObject({ kind: "routed" });
    expect(shard.decisions[0]).toMatchObject({ model: undefined, pick: { blockCount: 0 } });
    expect(shard.pluginReports).toEqual([typeof report === "string" ? report : expect.stringMatching(report)]);
  });

  it("that names a model longer than any has its request refused", () => {
    const shard = shardWith(
      "parser",
      parser(() => ({ model: "m".repeat(layout.MODEL_SIZE_MAX + 1) })),
    );
    expect(ask(shard, { path })).toMatchObject({ status: 400 });
    expect(shard.freeWindowCount()).toBe(16);
  });
});

describe("a shared column", () => {
  it("is read and written by its plugin, and read by the kernel's scorers", () => {
    let column: SharedColumn | undefined;
    const owner = testPlugin("owner", ["hook"], (_, context) => {
      column = context.sharedColumn("price");
      return { hooks: {}, sharedColumns: ["price"] };
    });
    const algorithm = { type: "linear_lower_is_better" };
    const scorer = "endpoint-attribute-scorer";
    const config = configOf(
      [HANDLER, "owner", scorer],
      { default: [scorer] },
      {
        [scorer]: { attributeKey: "price", producer: "owner", algorithm },
      },
    );
    const plugins = [{ ...owner, produces: () => [{ name: "endpointAttribute:price", unit: "", source: "" }] }];
    const shard = testShard({ plugins, config, labels: REGIONS });
    const endpoints = [0, 1, 2].map((slot) => ({ slot }) as Parameters<SharedColumn["get"]>[0]);
    expect(endpoints.map((one) => column?.get(one))).toEqual([undefined, undefined, undefined]);
    for (const [slot, one] of endpoints.entries()) column?.set(one, [30, 10, 20][slot]);
    ask(shard);
    expect(slots(shard)).toEqual([1]);
    column?.set(endpoints[1] as Parameters<SharedColumn["get"]>[0], undefined);
    expect(endpoints.map((one) => column?.get(one))).toEqual([30, undefined, 20]);
  });
});
