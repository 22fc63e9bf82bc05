/** A real Envoy that asks the picker over TLS, without asking who it is, as gateways do. */
import { Agent } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { mountSecret, newKeyPair, removeFolders } from "../support/certificate-folder.ts";
import { closeBeds, startProxy, type TestProxy, untilNothingInFlight } from "../support/envoy-bed.ts";
import { closeEpps, startTestEpp } from "../support/epp.ts";
import { CHAT_PATH, chatBody } from "../support/ext-proc-messages.ts";
import { beginHttp, readHttp } from "../support/http-client.ts";
import { startPickerProgram } from "../support/picker-program.ts";
import { endPrograms } from "../support/programs.ts";
import { until } from "../support/until.ts";
import { startUpstream } from "../support/upstream.ts";

afterEach(async () => {
  await closeBeds();
  await closeEpps();
  await endPrograms();
  removeFolders();
});

const OVER_TLS = {
  transport_socket: {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
      common_tls_context: { alpn_protocols: ["h2"] },
    },
  },
};

const PLAINTEXT = {
  name: "envoy.transport_sockets.raw_buffer",
  typed_config: { "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" },
};

const WORKERS_COUNT = 16;

/** Lets Envoy open another connection after so many streams. */
const OFTEN_NEW = {
  typed_extension_protocol_options: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      common_http_protocol_options: { max_requests_per_connection: 200 },
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

async function startServer() {
  let receivedCount = 0;
  const { port } = await startUpstream({
    [CHAT_PATH]: (request, response) => {
      receivedCount++;
      request.resume();
      request.on("end", () => response.end("{}"));
    },
  });
  return { endpoint: { name: "server", port }, receivedCount: () => receivedCount };
}

/** Requests without a pause, until `end`. */
function startLoad({ port }: TestProxy) {
  const statuses = new Map<number, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: WORKERS_COUNT });
  let isOver = false;
  let answeredCount = 0;
  const workers = Array.from({ length: WORKERS_COUNT }, async (_, worker) => {
    while (!isOver) {
      const exchange = beginHttp(port, { method: "POST", path: CHAT_PATH, agent }, chatBody(`Question ${worker}`));
      const { status } = await readHttp(await exchange.response);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      answeredCount++;
    }
  });
  return {
    statuses,
    async untilAnswered(count: number): Promise<void> {
      const wanted = answeredCount + count;
      await until(`${count} more requests are answered`, () => answeredCount >= wanted);
    },
    async end(): Promise<void> {
      isOver = true;
      await Promise.all(workers);
      agent.destroy();
    },
  };
}

async function post(port: number, body: Buffer) {
  const exchange = beginHttp(port, { method: "POST", path: CHAT_PATH }, body);
  return await readHttp(await exchange.response);
}

describe("Envoy over TLS", () => {
  it("asks a picker that was told nothing about certificates", async () => {
    const { endpoint, receivedCount } = await startServer();
    const picker = await startPickerProgram([endpoint], ["--secure-serving=true"]);
    const proxy = await startProxy(picker.grpcPort, { picker: OVER_TLS });
    for (const size of [10, 100_000, 3_000_000]) {
      expect((await post(proxy.port, chatBody("x".repeat(size)))).status).toBe(200);
    }
    expect(receivedCount()).toBe(3);
    expect(await proxy.stat("cluster.picker.ssl.handshake")).toBeGreaterThanOrEqual(1);
  });

  it.each([
    // Where the picker gives no connection up, Envoy does.
    { transport: "direct", picker: { ...OVER_TLS, ...OFTEN_NEW } },
    { transport: "grpc-js", picker: OVER_TLS },
  ] as const)(
    "goes on without a failed request while the certificate is replaced again and again, $transport",
    async ({ transport, picker }) => {
      const { endpoint, receivedCount } = await startServer();
      const secret = mountSecret(newKeyPair());
      const tls = { minVersion: "TLSv1.2", certPath: secret.path, isReloaded: true, names: [] } as const;
      const epp = await startTestEpp([endpoint], { tls, transport });
      const proxy = await startProxy(epp.grpcPort, { picker });
      const load = startLoad(proxy);
      const reloads = (): number => epp.logLines.filter(({ msg }) => msg.endsWith("reloaded")).length;
      for (let count = 1; count <= 3; count++) {
        const handshakes = await proxy.stat("cluster.picker.ssl.handshake");
        secret.replace(newKeyPair());
        await until("the picker has it", () => reloads() === count);
        // Connections are replaced after so many streams: the next one sees the new certificate.
        await until("Envoy has shaken hands again", async () => {
          return (await proxy.stat("cluster.picker.ssl.handshake")) > handshakes;
        });
      }
      await load.untilAnswered(100);
      await load.end();
      expect([...load.statuses]).toEqual([[200, receivedCount()]]);
      await untilNothingInFlight({ epp });
    },
  );

  it("of two pickers one can end under load, and no request fails", async () => {
    const { endpoint, receivedCount } = await startServer();
    const args = ["--secure-serving=true", "--drain-notice=2s", "--drain-timeout=20s"];
    const pickers = await Promise.all([startPickerProgram([endpoint], args), startPickerProgram([endpoint], args)]);
    const check = { timeout: "1s", interval: "0.2s", no_traffic_interval: "0.2s" };
    const lbEndpoints = pickers.map(({ grpcPort, healthPort }) => ({
      endpoint: {
        address: { socket_address: { address: "127.0.0.1", port_value: grpcPort } },
        health_check_config: { port_value: healthPort },
      },
    }));
    const picker = {
      ...OVER_TLS,
      load_assignment: { cluster_name: "picker", endpoints: [{ lb_endpoints: lbEndpoints }] },
      health_checks: [
        {
          grpc_health_check: { service_name: "envoy.service.ext_proc.v3.ExternalProcessor" },
          ...check,
          unhealthy_threshold: 1,
          healthy_threshold: 1,
          // Health has a port of its own, without TLS.
          transport_socket_match_criteria: { plaintext: true },
        },
      ],
      transport_socket_matches: [
        {
          name: "health",
          match: { plaintext: true },
          transport_socket: PLAINTEXT,
        },
      ],
    };
    const proxy = await startProxy(0, { picker });
    const load = startLoad(proxy);
    await load.untilAnswered(1_000);
    pickers[0].program.signal("SIGTERM");
    expect(await pickers[0].program.ended).toBe(0);
    await load.untilAnswered(500);
    await load.end();
    expect([...load.statuses]).toEqual([[200, receivedCount()]]);
  });
});
