/**
 * A bootstrap configuration with which Envoy asks the picker about every request and sends it where the picker says: an
 * ORIGINAL_DST cluster that takes its address from the destination header. Envoy reads JSON as it reads YAML.
 */

export interface EnvoyOptions {
  readonly host: string;
  readonly port: number;
  readonly adminPort: number;
  readonly picker: Address;
  /** The picker serves TLS, with whatever certificate. */
  readonly isPickerSecure?: boolean;
  /** Whether Envoy shows bodies of responses to the picker; it does when absent. */
  readonly responseBodies?: ResponseBodies;
  /** What becomes of requests while the picker cannot be asked. Without it they fail with 500. */
  readonly failOpen?: FailOpen;
}

/** `chosen`: shown, unless the picker overrides that for a response (`responseBody: skip`). */
export type ResponseBodies = "shown" | "hidden" | "chosen";

/**
 * Sends requests on without a pick. A body that is streamed through a picker cannot be taken back when that fails, so
 * Envoy has to know beforehand, by health checks: between the picker's end and the next check, requests with a body
 * still fail.
 */
export interface FailOpen {
  /** They take turns. */
  readonly servers: readonly Address[];
  /** Port of the picker's gRPC health. */
  readonly pickerHealthPort: number;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * Envoy ends streams by half-closing them, which spares both sides the reset of each. It waits up to a second for the
 * picker to do the same.
 */
const HALF_CLOSE = "envoy.reloadable_features.ext_proc_graceful_grpc_close";

const DESTINATION_HEADER = "x-gateway-destination-endpoint";

const FILTER = "envoy.filters.http.ext_proc";

/** Envoy waits at most this long for a picker that holds a request in its queue. */
const MESSAGE_TIMEOUT = "600s";

export function envoyConfig(options: EnvoyOptions): object {
  const { host, port, adminPort, picker, isPickerSecure = false, failOpen, responseBodies = "shown" } = options;
  const manager = connectionManager(failOpen !== undefined, responseBodies);
  return {
    admin: { address: socketAddress(host, adminPort) },
    layered_runtime: { layers: [{ name: "streams", static_layer: { [HALF_CLOSE]: true } }] },
    static_resources: {
      listeners: [
        {
          name: "requests",
          address: socketAddress(host, port),
          filter_chains: [
            {
              filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }],
            },
          ],
        },
      ],
      clusters: [
        modelServers(),
        { ...pickerCluster(picker, failOpen?.pickerHealthPort), ...(isPickerSecure && { transport_socket: ANY_TLS }) },
        ...(failOpen === undefined ? [] : [staticCluster("fallback", failOpen.servers)]),
      ],
    },
  };
}

function connectionManager(failsOpen: boolean, responseBodies: ResponseBodies): object {
  const toPicked = { match: { prefix: "/" }, route: { cluster: "model-servers", timeout: "0s" } };
  return {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "requests",
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: failsOpen ? fallbackRoutes() : [toPicked],
          ...(responseBodies === "chosen" && { typed_per_filter_config: { [FILTER]: hostOverride() } }),
        },
      ],
    },
    ...(failsOpen && { early_header_mutation_extensions: [dropDestination()] }),
    http_filters: [
      { name: FILTER, typed_config: externalProcessor(failsOpen, responseBodies) },
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
  };
}

/** A request that was picked has a destination; the others take turns. */
function fallbackRoutes(): object[] {
  const isPicked = { prefix: "/", headers: [{ name: DESTINATION_HEADER, present_match: true }] };
  return [
    { match: isPicked, route: { cluster: "model-servers", timeout: "0s" } },
    { match: { prefix: "/" }, route: { cluster: "fallback", timeout: "0s" } },
  ];
}

/** Before the route is chosen: a destination of the client's own would be followed while no picker overwrites it. */
function dropDestination(): object {
  return {
    name: "envoy.http.early_header_mutation.header_mutation",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
      mutations: [{ remove: DESTINATION_HEADER }],
    },
  };
}

function externalProcessor(failsOpen: boolean, responseBodies: ResponseBodies): object {
  return {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
    grpc_service: { envoy_grpc: { cluster_name: "picker", authority: "localhost" }, timeout: "10s" },
    failure_mode_allow: failsOpen,
    message_timeout: MESSAGE_TIMEOUT,
    ...(responseBodies === "chosen" && { allow_mode_override: true }),
    processing_mode: processingMode(FILTER_MODES[responseBodies]),
  };
}

/** What the picker says of a response's mode counts only where no body is in full duplex here: the host has that. */
const FILTER_MODES: Readonly<Record<ResponseBodies, Modes>> = {
  shown: { request: "FULL_DUPLEX_STREAMED", response: "FULL_DUPLEX_STREAMED" },
  hidden: { request: "FULL_DUPLEX_STREAMED", response: "NONE" },
  chosen: { request: "BUFFERED", response: "STREAMED" },
};

interface Modes {
  readonly request: string;
  readonly response: string;
}

/** The modes that are in force, in spite of those of the filter. */
function hostOverride(): object {
  return {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute",
    overrides: { processing_mode: processingMode(FILTER_MODES.shown) },
  };
}

/** Trailers are sent because full duplex needs it, and because a stream stays open as long as some may come. */
function processingMode({ request, response }: Modes): object {
  return {
    request_header_mode: "SEND",
    response_header_mode: "SEND",
    request_body_mode: request,
    response_body_mode: response,
    request_trailer_mode: "SEND",
    response_trailer_mode: "SEND",
  };
}

function modelServers(): object {
  return {
    name: "model-servers",
    type: "ORIGINAL_DST",
    lb_policy: "CLUSTER_PROVIDED",
    connect_timeout: "5s",
    original_dst_lb_config: { use_http_header: true, http_header_name: DESTINATION_HEADER },
    circuit_breakers: WIDE_OPEN,
  };
}

function pickerCluster(picker: Address, healthPort: number | undefined): object {
  return {
    ...staticCluster("picker", [picker], healthPort),
    ...(healthPort !== undefined && {
      health_checks: [HEALTH_CHECK],
      // By default a cluster whose hosts are all unhealthy is asked all the same.
      common_lb_config: { healthy_panic_threshold: { value: 0 } },
    }),
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}

/** Encrypts, and does not ask who is there: the picker's certificate is its own. */
const ANY_TLS = {
  name: "envoy.transport_sockets.tls",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    common_tls_context: { alpn_protocols: ["h2"] },
  },
};

const HEALTH_CHECK = {
  grpc_health_check: { service_name: "envoy.service.ext_proc.v3.ExternalProcessor" },
  timeout: "1s",
  interval: "1s",
  // Otherwise a cluster without traffic is checked once a minute.
  no_traffic_interval: "1s",
  unhealthy_threshold: 1,
  healthy_threshold: 1,
};

function staticCluster(name: string, addresses: readonly Address[], healthPort?: number): object {
  const health = healthPort === undefined ? {} : { health_check_config: { port_value: healthPort } };
  const endpoints = addresses.map(({ host, port }) => ({
    endpoint: { address: socketAddress(host, port), ...health },
  }));
  return {
    name,
    type: "STATIC",
    connect_timeout: "5s",
    circuit_breakers: WIDE_OPEN,
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
  };
}

/** Envoy's default of 1,024 requests per cluster is less than one model server fleet takes. */
const WIDE_OPEN = { thresholds: [{ max_connections: 40_000, max_pending_requests: 40_000, max_requests: 40_000 }] };

function socketAddress(address: string, port: number): object {
  return { socket_address: { address, port_value: port } };
}
