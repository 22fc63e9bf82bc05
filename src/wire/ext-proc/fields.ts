/**
 * Field numbers and enum values of ext_proc, once, under the names of `proto/ext_proc.proto` and
 * `proto/envoy_core.proto`. The contract test compares the codec built on them with those files.
 */

export const PROCESSING_REQUEST = {
  requestHeaders: 2,
  responseHeaders: 3,
  requestBody: 4,
  responseBody: 5,
  requestTrailers: 6,
  responseTrailers: 7,
  metadataContext: 8,
  attributes: 9,
  observabilityMode: 10,
  protocolConfig: 11,
} as const;

export const PROTOCOL_CONFIGURATION = {
  requestBodyMode: 1,
  responseBodyMode: 2,
  sendBodyWithoutWaitingForHeaderResponse: 3,
} as const;

export const HTTP_HEADERS = { headers: 1, endOfStream: 3 } as const;
export const HTTP_BODY = { body: 1, endOfStream: 2 } as const;
export const HTTP_TRAILERS = { trailers: 1 } as const;

export const HEADER_MAP = { headers: 1 } as const;
export const HEADER_VALUE = { key: 1, value: 2, rawValue: 3 } as const;
export const HEADER_VALUE_OPTION = { header: 1, append: 2, appendAction: 3, keepEmptyValue: 4 } as const;
export const BOOL_VALUE = { value: 1 } as const;
export const METADATA = { filterMetadata: 1 } as const;
/** The entries of every protobuf map. */
export const MAP_ENTRY = { key: 1, value: 2 } as const;

export const PROCESSING_RESPONSE = {
  requestHeaders: 1,
  responseHeaders: 2,
  requestBody: 3,
  responseBody: 4,
  requestTrailers: 5,
  responseTrailers: 6,
  immediateResponse: 7,
  dynamicMetadata: 8,
  modeOverride: 9,
  streamedImmediateResponse: 11,
} as const;

/** HeadersResponse and BodyResponse hold a CommonResponse, TrailersResponse holds a HeaderMutation. */
export const PART_RESPONSE = { response: 1 } as const;
export const TRAILERS_RESPONSE = { headerMutation: 1 } as const;
export const COMMON_RESPONSE = {
  status: 1,
  headerMutation: 2,
  bodyMutation: 3,
  trailers: 4,
  clearRouteCache: 5,
} as const;
export const HEADER_MUTATION = { setHeaders: 1, removeHeaders: 2 } as const;
export const BODY_MUTATION = { body: 1, clearBody: 2, streamedResponse: 3 } as const;
export const STREAMED_BODY_RESPONSE = { body: 1, endOfStream: 2 } as const;
export const IMMEDIATE_RESPONSE = { status: 1, headers: 2, body: 3, grpcStatus: 4, details: 5 } as const;
export const HTTP_STATUS = { code: 1 } as const;
export const GRPC_STATUS = { status: 1 } as const;

export const PROCESSING_MODE = {
  requestHeaderMode: 1,
  responseHeaderMode: 2,
  requestBodyMode: 3,
  responseBodyMode: 4,
  requestTrailerMode: 5,
  responseTrailerMode: 6,
} as const;

/** How a proxy sends bodies. */
export const BODY_SEND_MODE = {
  none: 0,
  streamed: 1,
  buffered: 2,
  bufferedPartial: 3,
  fullDuplexStreamed: 4,
  grpc: 5,
} as const;
/** Whether headers or trailers are sent to the picker; 0 as by default, or, in a mode override, as configured. */
export const HEADER_SEND_MODE = { default: 0, send: 1, skip: 2 } as const;
/** What happens to a header that is there already. Envoy reads 0 as "see `append`", whose default is to overwrite. */
export const HEADER_APPEND_ACTION = {
  unspecified: 0,
  addIfAbsent: 1,
  overwriteIfExistsOrAdd: 2,
  overwriteIfExists: 3,
} as const;
/** CONTINUE_AND_REPLACE ends the phase: the body in the answer replaces the whole body. */
export const RESPONSE_STATUS = { continue: 0, continueAndReplace: 1 } as const;
