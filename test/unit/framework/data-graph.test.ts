import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import { prefixMatch, queueDepthRequests } from "../../../src/framework/attributes.ts";
import { completeDataGraph, type DataNode } from "../../../src/framework/data-graph.ts";
import type { DataNeed } from "../../../src/framework/plugin.ts";

const DEFAULT_PRODUCERS: Readonly<Record<string, string>> = {
  prefixMatch: "approx-prefix-cache-producer",
  tokenizedPrompt: "token-producer",
  sessionId: "session-id-producer",
};

const key = (name: string): DataNeed["key"] => {
  const defaultProducer = DEFAULT_PRODUCERS[name];
  return { name, unit: "", source: "", ...(defaultProducer !== undefined && { defaultProducer }) };
};
const need = (name: string, producer?: string): DataNeed => ({ key: key(name), producer });

/** A plugin that needs and produces these keys; a need "key@plugin" names its producer. */
function node(name: string, needs: readonly string[] = [], produces: readonly string[] = []): DataNode {
  const required = needs.map((text) => need(...(text.split("@") as [string, string?])));
  return { name, consumes: { required }, produces, path: ["plugins", name.length] };
}

const noDefaults = (): undefined => undefined;

function faultOf(nodes: readonly DataNode[], create: (type: string) => DataNode | undefined = noDefaults): ConfigError {
  try {
    completeDataGraph(nodes, create);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error as ConfigError;
  }
  throw new Error("the graph was accepted");
}

describe("the data graph", () => {
  it("lets producers run after those whose data they consume, whatever the order of the file", () => {
    const nodes = [node("c", ["b-data"], ["c-data"]), node("scorer", ["c-data"]), node("b", ["a-data"], ["b-data"])];
    const { producerOrder, nodes: all } = completeDataGraph([...nodes, node("a", [], ["a-data"])], noDefaults);
    expect(producerOrder).toEqual(["a", "b", "c"]);
    expect(all).toHaveLength(4);
  });

  it("keeps the order of the file among producers that do not need each other", () => {
    const nodes = ["z", "a", "m"].map((name) => node(name, [], [`${name}-data`]));
    expect(completeDataGraph(nodes, noDefaults).producerOrder).toEqual(["z", "a", "m"]);
  });

  it("creates missing producers, and those that they need", () => {
    const created: string[] = [];
    const { nodes, producerOrder } = completeDataGraph([node("scorer", ["prefixMatch"])], (type) => {
      created.push(type);
      if (type === "token-producer") return node(type, [], ["tokenizedPrompt"]);
      return node(type, ["tokenizedPrompt"], ["prefixMatch"]);
    });
    expect(created).toEqual(["approx-prefix-cache-producer", "token-producer"]);
    expect(nodes.map(({ name }) => name)).toEqual(["scorer", ...created]);
    expect(producerOrder).toEqual(["token-producer", "approx-prefix-cache-producer"]);
  });

  it("creates one producer for all that need it, and none for what is optional or already there", () => {
    const created: string[] = [];
    const nodes = [
      node("one", ["prefixMatch"]),
      node("two", ["prefixMatch"]),
      node("own", [], ["inFlightLoad"]),
      node("three", ["inFlightLoad"]),
      { ...node("four"), consumes: { required: [], optional: [need("tokenizedPrompt")] } },
    ];
    completeDataGraph(nodes, (type) => {
      created.push(type);
      return node(type, [], ["prefixMatch"]);
    });
    expect(created).toEqual(["approx-prefix-cache-producer"]);
  });

  it("needs no producer for what every endpoint has", () => {
    const nodes = [{ ...node("queue"), consumes: { required: [{ key: queueDepthRequests }] } }];
    expect(completeDataGraph(nodes, noDefaults).producerOrder).toEqual([]);
  });

  it("a named producer is the only one that is waited for", () => {
    const nodes = [
      node("user", ["data@second"], ["more"]),
      node("first", ["more"], ["data"]),
      node("second", [], ["data"]),
    ];
    expect(completeDataGraph(nodes, noDefaults).producerOrder).toEqual(["second", "user", "first"]);
  });

  it("creates the Go picker's producer of prefix matches", () => {
    expect(prefixMatch.defaultProducer).toBe("approx-prefix-cache-producer");
  });
});

describe("a data graph that cannot be used", () => {
  it.each([
    {
      name: "data that nobody produces",
      nodes: [node("scorer", ["moonPhase"])],
      message: 'plugin "scorer" needs moonPhase, which no plugin produces; configure a producer of it',
    },
    {
      name: "a default producer that does not exist",
      nodes: [node("scorer", ["prefixMatch"])],
      message: 'plugin "scorer" needs prefixMatch, which no plugin produces; configure a producer of it',
    },
    {
      name: "a named producer that does not exist",
      nodes: [node("scorer", ["data@gone"]), node("a", [], ["data"]), node("b", [], ["data"])],
      message: 'plugin "scorer" takes data from "gone", which is not the name of a plugin; these do: "a", "b"',
    },
    {
      name: "a named producer of something else",
      nodes: [node("scorer", ["data@other"]), node("other", [], ["more"])],
      message: 'plugin "scorer" takes data from "other", which does not produce data; no plugin does',
    },
    {
      name: "producers that wait for each other",
      nodes: [node("a", ["c-data"], ["a-data"]), node("b", ["a-data"], ["b-data"]), node("c", ["b-data"], ["c-data"])],
      message: 'plugin "a" waits for its own data: "a" → "c" → "b" → "a"',
    },
  ])("$name", ({ nodes, message }) => {
    const fault = faultOf(nodes);
    expect(fault.message).toBe(message);
    expect(fault.path).toEqual(nodes[0]?.path);
  });

  it("says why a default producer cannot be created, at the place of the plugin that needs it", () => {
    const fault = faultOf([node("affinity", ["sessionId"])], () => {
      throw new ConfigError("give it a headerName");
    });
    expect(fault.message).toBe(
      'plugin "affinity" needs sessionId, and its producer cannot be created by default: give it a headerName',
    );
    expect(fault.path).toEqual(["plugins", 8]);
  });

  it("does not take a default producer that produces something else", () => {
    const create = (type: string): DataNode => node(type, [], ["something"]);
    expect(faultOf([node("s", ["prefixMatch"])], create).message).toContain("which no plugin produces");
  });
});
