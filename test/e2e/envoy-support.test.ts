/** What the other end-to-end tests stand on: an Envoy that starts, is reached, says why it cannot start, and ends. */
import { expect, it } from "vitest";
import { startEnvoy } from "../support/envoy.ts";

/** Listens on a free port and answers every request by itself. */
function answering(status: number): object {
  const manager = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "http",
    route_config: {
      virtual_hosts: [
        { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, direct_response: { status } }] },
      ],
    },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
  };
  const filter = { name: "envoy.filters.network.http_connection_manager", typed_config: manager };
  const address = { socket_address: { address: "127.0.0.1", port_value: 0 } };
  return { static_resources: { listeners: [{ name: "front", address, filter_chains: [{ filters: [filter] }] }] } };
}

it("two run side by side, answer on the ports they took, and are gone when stopped", async () => {
  const [first, second] = await Promise.all([startEnvoy(answering(204)), startEnvoy(answering(418))]);
  const urls = [first, second].map(({ ports }) => `http://127.0.0.1:${ports["front"]}/`);
  const statuses = await Promise.all(urls.map(async (url) => (await fetch(url)).status));
  expect(statuses).toEqual([204, 418]);
  expect(first.log()).toContain("starting main dispatch loop");
  await Promise.all([first.stop(), second.stop()]);
  for (const url of urls) await expect(fetch(url)).rejects.toThrow("fetch failed");
});

it("a configuration that Envoy refuses rejects with Envoy's own words", async () => {
  // Envoy varies the spaces on purpose, so that nobody parses them.
  await expect(startEnvoy({ static_resources: { no_such_field: 1 } })).rejects.toThrow(/no\s+such\s+field/);
});
