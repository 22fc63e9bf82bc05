/** The parts of session affinity that both plugins share; the kernel's part is tested with scorer and filter. */
import { describe, expect, it } from "vitest";
import { producedBy } from "../../../src/framework/attribute-keys.ts";
import { sessionId } from "../../../src/framework/attributes.ts";
import { sessionAffinityFilter } from "../../../src/plugins/filters/session-affinity.ts";
import { sessionAffinityScorer } from "../../../src/plugins/scorers/session-affinity.ts";
import { sessionAffinityParameters } from "../../../src/plugins/session-affinity.ts";
import { fleetView, pickOf, requestView } from "../../support/plugin-views.ts";
import { createPlugin, warningsOf } from "../../support/plugins.ts";

/** Worked out with the `base64` command. */
const TOKEN_OF_DEFAULT_SERVER_1 = "ZGVmYXVsdC9zZXJ2ZXItMQ==";

const byToken = { strategy: "encoded_endpoint_header" };
const byId = { strategy: "session_id" };

describe("session-affinity parameters", () => {
  it("by default a token in x-session-token; ids are read from x-session-id and last 300 s", () => {
    expect(sessionAffinityParameters.parse({})).toEqual({
      strategy: "encoded_endpoint_header",
      encodedEndpointHeaderConfig: { header: "x-session-token" },
      sessionIdConfig: { sources: [{ header: "x-session-id" }], evictionTtlSeconds: 300 },
    });
  });

  it.each([
    {
      name: "headers are read in lower case",
      given: { encodedEndpointHeaderConfig: { header: "X-My-Token" } },
      expected: { encodedEndpointHeaderConfig: { header: "x-my-token" } },
    },
    {
      name: "an empty header is the default one",
      given: { encodedEndpointHeaderConfig: { header: "" } },
      expected: { encodedEndpointHeaderConfig: { header: "x-session-token" } },
    },
    {
      name: "no sources, and no time, are the default ones",
      given: { sessionIdConfig: { sources: [], evictionTtlSeconds: 0 } },
      expected: { sessionIdConfig: { sources: [{ header: "x-session-id" }], evictionTtlSeconds: 300 } },
    },
    {
      name: "parts of a second count as a whole one",
      given: { sessionIdConfig: { evictionTtlSeconds: 0.5 } },
      expected: { sessionIdConfig: { evictionTtlSeconds: 1 } },
    },
    {
      name: "sources keep their order",
      given: { sessionIdConfig: { sources: [{ attribute: "SessionID", producer: "ids" }, { header: "X-A" }] } },
      expected: {
        sessionIdConfig: {
          sources: [{ attribute: "SessionID", producer: "ids" }, { header: "x-a" }],
          evictionTtlSeconds: 300,
        },
      },
    },
  ])("$name", ({ given, expected }) => {
    expect(sessionAffinityParameters.parse(given)).toMatchObject(expected);
  });

  it.each([
    { name: "an unknown strategy", given: { strategy: "sticky" }, at: ["strategy"] },
    { name: "an unknown field", given: { header: "x-a" }, at: [] },
    {
      name: "a source of nothing",
      given: { sessionIdConfig: { sources: [{}] } },
      at: ["sessionIdConfig", "sources", 0],
    },
    {
      name: "a source with header and attribute",
      given: { sessionIdConfig: { sources: [{ header: "x-a", attribute: "SessionID", producer: "ids" }] } },
      at: ["sessionIdConfig", "sources", 0],
    },
    {
      name: "an attribute without producer",
      given: { sessionIdConfig: { sources: [{ attribute: "SessionID" }] } },
      at: ["sessionIdConfig", "sources", 0],
    },
    {
      name: "a time beyond what bindings can count",
      given: { sessionIdConfig: { evictionTtlSeconds: 2 ** 23 } },
      at: ["sessionIdConfig", "evictionTtlSeconds"],
    },
    {
      name: "a negative time",
      given: { sessionIdConfig: { evictionTtlSeconds: -1 } },
      at: ["sessionIdConfig", "evictionTtlSeconds"],
    },
  ])("$name is refused", ({ given, at }) => {
    expect(sessionAffinityParameters.safeParse(given).error?.issues).toMatchObject([{ path: at }]);
  });
});

describe.each([
  { definition: sessionAffinityScorer, part: "scorer", tokenOp: "requestMask", idOp: "session" },
  { definition: sessionAffinityFilter, part: "filter", tokenOp: "requestMaskOrAll", idOp: "sessionOrAll" },
] as const)("$definition.type", ({ definition, part, tokenOp, idOp }) => {
  it("with the header strategy runs a mask of the token's endpoint, and reads that header only", () => {
    const plugin = createPlugin(definition, { encodedEndpointHeaderConfig: { header: "X-Mine" } });
    expect(plugin[part]).toMatchObject({ op: tokenOp });
    expect(plugin.headers).toEqual(["x-mine"]);
  });

  it.each([
    { name: "a token of a server", token: TOKEN_OF_DEFAULT_SERVER_1, expected: ["default/server-1"] },
    { name: "a token of a server that is gone", token: "ZGVmYXVsdC9zZXJ2ZXItOQ==", expected: [] },
    { name: "no token", token: undefined, expected: undefined },
    { name: "an empty token", token: "", expected: undefined },
    { name: "no base64", token: "default/server-1!", expected: undefined },
    { name: "base64 without padding", token: "ZGVmYXVsdC9zZXJ2ZXItMQ", expected: undefined },
    { name: "base64 of the URL alphabet", token: "ZGVmYXVsdC9zZXJ2ZXIt-_==", expected: undefined },
  ])("$name singles out $expected", ({ token, expected }) => {
    const program = createPlugin(definition, byToken)[part];
    const request = requestView(token === undefined ? {} : { "x-session-token": token });
    const mask = program !== undefined && "requestMask" in program ? program.requestMask : undefined;
    expect(mask?.(request, fleetView([{}, {}, {}]))?.map(({ id }) => id)).toEqual(expected);
  });

  it("gives the picked endpoint's token to the client, in the header that it is read from", () => {
    const fleet = fleetView([{}, {}]);
    const { hooks } = createPlugin(definition, { encodedEndpointHeaderConfig: { header: "x-mine" } });
    const request = requestView();
    const [, second] = fleet.endpoints;
    if (second === undefined) throw new Error("the fleet has two endpoints");
    expect(hooks?.onPicked?.(request, pickOf(second))).toBeUndefined();
    expect(hooks?.onResponse?.(request, { status: "200", servedBy: undefined }, fleet)).toEqual([
      { name: "x-mine", value: TOKEN_OF_DEFAULT_SERVER_1 },
    ]);
  });

  it("a server that had no name yet when it was picked gets its token by its slot, unless that is another's now", () => {
    const fleet = fleetView([{}, {}]);
    const [, second] = fleet.endpoints;
    if (second === undefined) throw new Error("the fleet has two endpoints");
    const { hooks } = createPlugin(definition, byToken);
    const answer = (hostPort: string): unknown => {
      const request = requestView();
      hooks?.onPicked?.(request, pickOf(second, { id: undefined, hostPort }));
      return hooks?.onResponse?.(request, { status: "200", servedBy: undefined }, fleet);
    };
    expect(answer(second.hostPort)).toEqual([{ name: "x-session-token", value: TOKEN_OF_DEFAULT_SERVER_1 }]);
    expect(answer("10.9.9.9:8000")).toBeUndefined();
  });

  it("a request that was not picked for gets no token", () => {
    const { hooks } = createPlugin(definition, byToken);
    const head = { status: "503", servedBy: undefined };
    expect(hooks?.onResponse?.(requestView(), head, fleetView([{}]))).toBeUndefined();
  });

  it("two instances on one request do not take each other's pick", () => {
    const fleet = fleetView([{}, {}]);
    const [first, second] = fleet.endpoints;
    if (first === undefined || second === undefined) throw new Error("the fleet has two endpoints");
    const one = createPlugin(definition, byToken, { name: "one" }).hooks;
    const two = createPlugin(definition, byToken, { name: "two" }).hooks;
    const request = requestView();
    one?.onPicked?.(request, pickOf(second));
    two?.onPicked?.(request, pickOf(first));
    const head = { status: "200", servedBy: undefined };
    expect(one?.onResponse?.(request, head, fleet)?.[0]?.value).toBe(TOKEN_OF_DEFAULT_SERVER_1);
  });

  it("with ids runs on the session's binding, and writes nothing to the client", () => {
    const plugin = createPlugin(definition, { ...byId, sessionIdConfig: { evictionTtlSeconds: 60 } });
    expect(plugin[part]).toMatchObject({ op: idOp, sessionSecondsMax: 60 });
    expect(plugin.hooks).toBeUndefined();
    expect(plugin.headers).toEqual(["x-session-id"]);
  });

  it("takes the id from the first source that has one, without blanks around it", () => {
    const sources = [{ header: "x-first" }, { attribute: "SessionID", producer: "ids" }, { header: "x-last" }];
    const program = createPlugin(definition, { ...byId, sessionIdConfig: { sources } })[part];
    const keyOf = program !== undefined && "sessionKey" in program ? program.sessionKey : undefined;
    const withAttribute = (headers: Record<string, string>, value: unknown): string | undefined => {
      const request = requestView(headers);
      request.setAttribute(producedBy(sessionId, "ids"), value);
      return keyOf?.(request);
    };
    expect(withAttribute({ "x-first": " a ", "x-last": "c" }, "b")).toBe("a");
    expect(withAttribute({ "x-first": "  ", "x-last": "c" }, "b")).toBe("b");
    expect(withAttribute({ "x-last": "c" }, 7)).toBe("c");
    expect(keyOf?.(requestView())).toBeUndefined();
  });

  it("needs the producers that its sources name, and no others", () => {
    const parsed = definition.parameters.parse({
      ...byId,
      sessionIdConfig: { sources: [{ header: "x-a" }, { attribute: "SessionID", producer: "ids" }] },
    });
    expect(definition.consumes?.(parsed)).toEqual({ required: [{ key: sessionId, producer: "ids" }] });
    expect(definition.consumes?.(definition.parameters.parse(byToken))).toEqual({ required: [] });
  });

  it("says which parameters change nothing", () => {
    expect(warningsOf(definition, { profileName: "", sessionIdConfig: { evictionTtlSeconds: 5 } })).toEqual([]);
    const given = { profileName: "prefill", sessionIdConfig: { evictionSweepSeconds: 10 } };
    expect(warningsOf(definition, given)).toMatchObject([
      expect.stringMatching(/^profileName "prefill" is ignored/),
      expect.stringMatching(/^evictionSweepSeconds is ignored/),
    ]);
  });
});
