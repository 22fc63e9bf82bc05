import { describe, expect, it } from "vitest";
import { agentIdentity } from "../../../../src/framework/attributes.ts";
import { agentIdentityPlugin } from "../../../../src/plugins/hooks/agent-identity.ts";
import { requestView } from "../../../support/plugin-views.ts";
import { createPlugin } from "../../../support/plugins.ts";

function identityOf(headers: Record<string, string>, additionalSessionHeaders: string[] = []): unknown {
  const request = requestView(headers);
  createPlugin(agentIdentityPlugin, { additionalSessionHeaders }).hooks?.onRequest?.(request);
  return request.attribute(agentIdentity);
}

const ALL = {
  "x-claude-code-session-id": "claude",
  "x-session-affinity": "opencode",
  "session-id": "codex",
  session_id: "old codex",
};

describe("agent-identity", () => {
  it.each([
    { name: "the first known header", headers: ALL, identity: "claude" },
    { name: "the second", headers: { ...ALL, "x-claude-code-session-id": "" }, identity: "opencode" },
    { name: "the third", headers: { "session-id": "codex", session_id: "old codex" }, identity: "codex" },
    { name: "the last", headers: { session_id: "old codex" }, identity: "old codex" },
    { name: "no known header", headers: { "x-session-id": "1" }, identity: undefined },
    { name: "only an empty one", headers: { "session-id": "" }, identity: undefined },
  ])("$name: $identity", ({ headers, identity }) => {
    expect(identityOf(headers)).toBe(identity);
  });

  it("further headers come first, in their order, whatever their case", () => {
    const headers = { ...ALL, "x-b": "b", "x-a": "a" };
    expect(identityOf(headers, ["X-B", "x-a"])).toBe("b");
    expect(identityOf({ ...headers, "x-b": "" }, ["X-B", "x-a"])).toBe("a");
  });

  it("has the headers kept that it looks at, each once", () => {
    expect(createPlugin(agentIdentityPlugin, { additionalSessionHeaders: ["x-a", "session-id"] }).headers).toEqual([
      "x-a",
      "session-id",
      "x-claude-code-session-id",
      "x-session-affinity",
      "session_id",
    ]);
  });

  it.each([
    { name: "an empty name", headers: [""] },
    { name: "more than 32 names", headers: Array.from({ length: 33 }, (_, index) => `x-${index}`) },
  ])("$name is refused", ({ headers }) => {
    expect(agentIdentityPlugin.parameters.safeParse({ additionalSessionHeaders: headers }).success).toBe(false);
  });
});
