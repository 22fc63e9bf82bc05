import { describe, expect, it } from "vitest";
import { producedBy } from "../../../../src/framework/attribute-keys.ts";
import { sessionId } from "../../../../src/framework/attributes.ts";
import type { Candidates } from "../../../../src/framework/fleet.ts";
import { sessionIdProducer } from "../../../../src/plugins/producers/session-id.ts";
import { requestView } from "../../../support/plugin-views.ts";
import { createPlugin } from "../../../support/plugins.ts";

const nobody: Candidates = {
  count: 0,
  at: () => {
    throw new Error("there is no candidate");
  },
};

/** The id that a producer of these parameters finds in these headers. */
function idOf(parameters: unknown, headers: Record<string, string>): unknown {
  const request = requestView(headers);
  createPlugin(sessionIdProducer, parameters, { name: "ids" }).producer?.produce?.(request, nobody);
  return request.attribute(producedBy(sessionId, "ids"));
}

describe("session-id-producer", () => {
  it.each([
    { name: "the header's value", parameters: { headerName: "X-Sid" }, headers: { "x-sid": "s1" }, id: "s1" },
    { name: "no header", parameters: { headerName: "x-sid" }, headers: { cookie: "x-sid=s1" }, id: undefined },
    { name: "an empty header", parameters: { headerName: "x-sid" }, headers: { "x-sid": "" }, id: undefined },
    { name: "the cookie's value", parameters: { cookieName: "sid" }, headers: { cookie: "a=1; sid=s2" }, id: "s2" },
    { name: "the first of two", parameters: { cookieName: "sid" }, headers: { cookie: "sid=a;sid=b" }, id: "a" },
    { name: "a value with =", parameters: { cookieName: "sid" }, headers: { cookie: "sid=a=b=" }, id: "a=b=" },
    { name: "a value in quotes", parameters: { cookieName: "sid" }, headers: { cookie: 'sid="s 3"' }, id: "s 3" },
    {
      name: "a cookie of another name",
      parameters: { cookieName: "sid" },
      headers: { cookie: "xsid=1" },
      id: undefined,
    },
    { name: "names differ by case", parameters: { cookieName: "sid" }, headers: { cookie: "Sid=1" }, id: undefined },
    {
      name: "a cookie without value",
      parameters: { cookieName: "sid" },
      headers: { cookie: "sid; a=1" },
      id: undefined,
    },
    { name: "an empty cookie", parameters: { cookieName: "sid" }, headers: { cookie: "sid=" }, id: undefined },
    { name: "no cookies", parameters: { cookieName: "sid" }, headers: { sid: "1" }, id: undefined },
  ])("$name: $id", ({ parameters, headers, id }) => {
    expect(idOf(parameters, headers)).toBe(id);
  });

  it("reads only the header that it needs", () => {
    expect(createPlugin(sessionIdProducer, { headerName: "X-Sid" }).headers).toEqual(["x-sid"]);
    expect(createPlugin(sessionIdProducer, { cookieName: "sid" }).headers).toEqual(["cookie"]);
  });

  it.each([{}, { headerName: "x-a", cookieName: "b" }, { cookieName: "" }, { headerName: "" }])(
    "%j is refused",
    (given) => {
      expect(sessionIdProducer.parameters.safeParse(given).success).toBe(false);
    },
  );
});
