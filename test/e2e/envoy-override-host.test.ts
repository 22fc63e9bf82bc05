import { afterEach, describe, expect, it } from "vitest";
import {
  type AddressedServer,
  closeAddressedServers,
  RECEIVED_SIZE,
  SERVED_BY,
  startAddressedServers,
} from "../support/addressed-server.ts";
import { type Bed, closeBeds, type ProxyOptions, startBed, untilNothingInFlight } from "../support/envoy-bed.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { postChat } from "../support/http-client.ts";
import { readMetric } from "../support/metrics.ts";
import { until } from "../support/until.ts";

afterEach(async () => {
  await closeBeds();
  await closeAddressedServers();
});

const DESTINATION = "x-gateway-destination-endpoint";
const FROM_HEADER = { header: DESTINATION };
const FROM_METADATA = { metadata: { key: "envoy.lb", path: [{ key: DESTINATION }] } };
/** Lets the picker's metadata into the request's. */
const RECEIVES_METADATA = { metadata_options: { receiving_namespaces: { untyped: ["envoy.lb"] } } };

/**
 * Envoy knows all servers and sends a request to the one that the picker names, as gateways do: where it cannot be had,
 * to the next of the list. Requests without a pick take turns.
 */
function overridesHost(servers: readonly AddressedServer[], sources: readonly object[]): ProxyOptions {
  const lbEndpoints = servers.map(({ address, port }) => ({
    endpoint: { address: { socket_address: { address, port_value: port } } },
  }));
  const modelServers = {
    type: "STATIC",
    lb_policy: undefined,
    original_dst_lb_config: undefined,
    load_assignment: { cluster_name: "model-servers", endpoints: [{ lb_endpoints: lbEndpoints }] },
    load_balancing_policy: onePolicy("override_host", "OverrideHost", {
      override_host_sources: sources,
      fallback_policy: onePolicy("round_robin", "RoundRobin"),
    }),
  };
  return { modelServers };
}

function onePolicy(name: string, message: string, fields: object = {}): object {
  const type = `type.googleapis.com/envoy.extensions.load_balancing_policies.${name}.v3.${message}`;
  const extension = { name: `envoy.load_balancing_policies.${name}`, typed_config: { "@type": type, ...fields } };
  return { policies: [{ typed_extension_config: extension }] };
}

const RETRIES = { routeTo: { retry_policy: { retry_on: "connect-failure,reset", num_retries: 1 } } };

/** Six answers to one long prompt, which a picker keeps on one server and taking turns does not. */
async function servedBySix(bed: Bed): Promise<(string | number)[]> {
  const served: (string | number)[] = [];
  const prompt = "You know everything about birds. ".repeat(100);
  for (let count = 0; count < 6; count++) {
    const { status, headers } = await postChat(bed.port, prompt);
    served.push(status === 200 ? String(headers[SERVED_BY]) : status);
    if (status === 200) expect(headers[RECEIVED_SIZE]).toBe(String(chatBody(prompt).length));
  }
  await untilNothingInFlight(bed);
  return served;
}

describe("the override_host policy", () => {
  it.each([
    { name: "the header", sources: [FROM_HEADER], externalProcessor: {} },
    { name: "metadata", sources: [FROM_METADATA], externalProcessor: RECEIVES_METADATA },
    { name: "metadata before the header", sources: [FROM_METADATA, FROM_HEADER], externalProcessor: RECEIVES_METADATA },
  ])("takes the pick from $name", async ({ sources, externalProcessor }) => {
    const servers = await startAddressedServers(3);
    const bed = await startBed(servers, { ...overridesHost(servers, sources), externalProcessor });
    expect(new Set(await servedBySix(bed)).size).toBe(1);
  });

  it("does not hear of the pick's metadata unless its namespace may be received", async () => {
    const servers = await startAddressedServers(3);
    const bed = await startBed(servers, overridesHost(servers, [FROM_METADATA]));
    expect(new Set(await servedBySix(bed)).size).toBe(3);
  });

  it.each([
    { name: "the header", sources: [FROM_HEADER] },
    { name: "metadata", sources: [FROM_METADATA] },
  ])("sends a request that its first server breaks off to the second in $name, body and all", async ({ sources }) => {
    const servers = await startAddressedServers(4);
    // Busy ones come last, so that the picker's second is known; those that take turns would be as likely.
    for (const [index, server] of servers.entries()) server.queueDepthRequests = index < 2 ? 0 : 40;
    const options = { ...overridesHost(servers, sources), ...RETRIES, externalProcessor: RECEIVES_METADATA };
    const bed = await startBed(servers, options, { targetsMax: 2 });
    await untilScraped(bed);
    const [first] = await servedBySix(bed);
    const [breaking, second] = first === "server-2" ? servers : [servers[1], servers[0]];
    breaking?.breakOff();
    expect(await servedBySix(bed)).toEqual(Array.from({ length: 6 }, () => second?.name));
    // The picker still named the first one first.
    expect(bed.epp.decisionLines.at(-1)).toContain(`${first} `);
    expect(breaking?.receivedCount).toBe(12);
  });

  it("with one target retries where the turn is, which may be the server that is gone", async () => {
    const servers = await startAddressedServers(3);
    const options = { ...overridesHost(servers, [FROM_HEADER]), ...RETRIES };
    // Nothing is scraped but once, so that the picker does not hear of what happens to a server.
    const bed = await startBed(servers, options, { scrapeIntervalMs: 600_000 });
    const [first] = await servedBySix(bed);
    await servers.find(({ name }) => name === first)?.stop();
    const served = await servedBySix(bed);
    const others = servers.map(({ name }) => name).filter((name) => name !== first);
    expect(new Set(served)).toEqual(new Set([503, ...others]));
    expect(bed.epp.decisionLines.at(-1)).toContain(`${first} `);
  });
});

async function untilScraped(bed: Bed): Promise<void> {
  const outcome = { outcome: "success" };
  const name = "endpoint_picker_scrapes_total";
  await until("all are scraped", async () => ((await readMetric(bed.epp.metricsPort, name, outcome)) ?? 0) >= 8);
}

describe("a subset hint", () => {
  const KEY = "x-gateway-destination-endpoint-subset";
  const FORWARDS_HINT = { metadata_options: { forwarding_namespaces: { untyped: ["envoy.lb.subset_hint"] } } };

  /** A filter that gives every request the hint, as a gateway would. */
  function hinting(subset: readonly string[]): ProxyOptions {
    const metadata = [{ metadata_namespace: "envoy.lb.subset_hint", value: { [KEY]: subset } }];
    const type = "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config";
    return { filtersBefore: [{ name: "envoy.filters.http.set_metadata", typed_config: { "@type": type, metadata } }] };
  }

  async function servedByTwelve(bed: Bed): Promise<Set<unknown>> {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => postChat(bed.port, `Question ${index}`)),
    );
    return new Set(answers.map(({ status, headers }) => (status === 200 ? headers[SERVED_BY] : status)));
  }

  it("in metadata that Envoy forwards is obeyed", async () => {
    const servers = await startAddressedServers(4);
    const subset = ["127.0.0.3:1", "127.0.0.5:1"];
    const bed = await startBed(servers, { ...hinting(subset), externalProcessor: FORWARDS_HINT });
    expect(await servedByTwelve(bed)).toEqual(new Set(["server-3", "server-5"]));
  });

  it("that names nobody is 503", async () => {
    const servers = await startAddressedServers(2);
    const bed = await startBed(servers, { ...hinting([]), externalProcessor: FORWARDS_HINT });
    const { status, headers } = await postChat(bed.port, "hello");
    expect([status, headers["x-llm-d-request-dropped-reason"]]).toEqual([503, "rejected-no-endpoints"]);
  });

  it("is not heard of unless its namespace is forwarded", async () => {
    const servers = await startAddressedServers(4);
    const bed = await startBed(servers, hinting(["127.0.0.3:1"]));
    expect((await servedByTwelve(bed)).size).toBeGreaterThan(1);
  });
});
