/**
 * Header and metadata names of the endpoint picker protocol (proposal 004 of the Gateway API Inference Extension) and
 * of the Go picker.
 */

/** Request header and metadata key: the picked endpoint, `ip:port`. */
export const DESTINATION_ENDPOINT = "x-gateway-destination-endpoint";

/** Metadata key: every candidate's total, with `--emit-endpoint-scores`. */
export const DESTINATION_ENDPOINT_SCORES = "x-gateway-destination-endpoint-scores";

/** Metadata key of responses: the endpoint that the proxy sent the request to. */
export const DESTINATION_ENDPOINT_SERVED = "x-gateway-destination-endpoint-served";

/** Request headers: the model to send the request on under. The first name is the present one. */
export const MODEL_NAME_REWRITE = ["x-llm-d-model-name-rewrite", "x-gateway-model-name-rewrite"] as const;

/** Request headers: the name of the objective, which gives a request its priority. The first is the present one. */
export const OBJECTIVE = ["x-llm-d-inference-objective", "x-gateway-inference-objective"] as const;

/** Request headers: whose request it is, for fairness between them. */
export const FAIRNESS_ID = ["x-llm-d-inference-fairness-id", "x-gateway-inference-fairness-id"] as const;

/** Request header: with the token `if-available` the request is wanted only where some of its prompt is cached. */
export const PREFER = "prefer";

/** Headers by which a caller carries its trace. */
export const TRACE_HEADERS = ["traceparent", "tracestate", "baggage"] as const;

/** Metadata namespace that load balancers read. */
export const LB_NAMESPACE = "envoy.lb";

export const REQUEST_ID = "x-request-id";

/** Why a request was refused; in the refusal. */
export const DROPPED_REASON = "x-llm-d-request-dropped-reason";

/** Marks responses that passed the picker; clients of the Go picker look for it. */
export const WENT_INTO_RESPONSE_HEADERS = "x-went-into-resp-headers";

/** Where the path is looked for, in this order: some proxies send no pseudo headers. */
export const PATH_HEADERS = [":path", "x-original-path", "x-forwarded-path"] as const;

/** Taken when none of them is there, as in the Go picker. */
export const PATH_DEFAULT = "/v1/completions";
