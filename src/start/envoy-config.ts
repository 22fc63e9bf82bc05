/**
 * A bootstrap configuration with which Envoy asks the picker about every request and sends it where the picker says: an
 * ORIGINAL_DST cluster that takes its address from the destination header. Envoy reads JSON as it reads YAML.
 */

export interface EnvoyOptions {
  readonly host: string;
  readonly port: number;
  readonly adminPort: number;
  readonly picker: { readonly host: string; readonly port: number };
  /** Send requests on without a pick while the picker cannot be asked. */
  readonly failOpen: boolean;
}

/** Envoy waits at most this long for a picker that holds a request in its queue. */
const MESSAGE_TIMEOUT = "600s";

export function envoyConfig({ host, port, adminPort, picker, failOpen }: EnvoyOptions): object {
  return {
    admin: { address: socketAddress(host, adminPort) },
    static_resources: {
      listeners: [
        {
          name: "requests",
          address: socketAddress(host, port),
          filter_chains: [
            {
              filters: [
                { name: "envoy.filters.network.http_connection_manager", typed_config: connectionManager(failOpen) },
              ],
            },
          ],
        },
      ],
      clusters: [modelServers(), pickerCluster(picker)],
    },
  };
}

function connectionManager(failOpen: boolean): object {
  return {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "requests",
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/" }, route: { cluster: "model-servers", timeout: "0s" } }],
        },
      ],
    },
    http_filters: [
      { name: "envoy.filters.http.ext_proc", typed_config: externalProcessor(failOpen) },
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
  };
}

function externalProcessor(failOpen: boolean): object {
  return {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
    grpc_service: { envoy_grpc: { cluster_name: "picker", authority: "localhost" }, timeout: "10s" },
    failure_mode_allow: failOpen,
    message_timeout: MESSAGE_TIMEOUT,
    processing_mode: {
      request_header_mode: "SEND",
      response_header_mode: "SEND",
      request_body_mode: "FULL_DUPLEX_STREAMED",
      response_body_mode: "FULL_DUPLEX_STREAMED",
      // This body mode needs trailers to be sent.
      request_trailer_mode: "SEND",
      response_trailer_mode: "SEND",
    },
  };
}

function modelServers(): object {
  return {
    name: "model-servers",
    type: "ORIGINAL_DST",
    lb_policy: "CLUSTER_PROVIDED",
    connect_timeout: "5s",
    original_dst_lb_config: { use_http_header: true, http_header_name: "x-gateway-destination-endpoint" },
    circuit_breakers: WIDE_OPEN,
  };
}

function pickerCluster({ host, port }: EnvoyOptions["picker"]): object {
  const endpoint = { endpoint: { address: socketAddress(host, port) } };
  return {
    name: "picker",
    type: "STATIC",
    connect_timeout: "5s",
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    circuit_breakers: WIDE_OPEN,
    load_assignment: { cluster_name: "picker", endpoints: [{ lb_endpoints: [endpoint] }] },
  };
}

/** Envoy's default of 1,024 requests per cluster is less than one model server fleet takes. */
const WIDE_OPEN = { thresholds: [{ max_connections: 40_000, max_pending_requests: 40_000, max_requests: 40_000 }] };

function socketAddress(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}
