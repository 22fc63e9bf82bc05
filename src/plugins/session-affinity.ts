/**
 * What the session-affinity filter and scorer share: parameters, and how a request names its session.
 *  - encoded_endpoint_header: the client sends back a token that the previous response gave it; the token is the
 *    endpoint's name. The picker keeps nothing.
 *  - session_id: the client sends an id of its own; the picker remembers which endpoint the id went to.
 */
import { z } from "zod";
import { producedBy, requestAttribute } from "../framework/attribute-keys.ts";
import type { DataKey } from "../framework/attributes.ts";
import type { FleetEndpoint, FleetView } from "../framework/fleet.ts";
import { headerName } from "../framework/parameters.ts";
import type { CreateContext, DataNeeds, Hooks } from "../framework/plugin.ts";
import type { RequestView } from "../framework/request.ts";
import { SESSION_SECONDS_MAX } from "../wasm/pick-records.ts";

export interface SessionAffinityParameters {
  readonly strategy: "encoded_endpoint_header" | "session_id";
  readonly encodedEndpointHeaderConfig: { readonly header: string };
  readonly sessionIdConfig: {
    /** In order; the first that a request has names its session. */
    readonly sources: readonly SessionSource[];
    /** Time for which a session stays bound without a request. */
    readonly evictionTtlSeconds: number;
    readonly evictionSweepSeconds?: number | undefined;
  };
  readonly profileName?: string | undefined;
}

export interface SessionSource {
  readonly header?: string | undefined;
  readonly attribute?: string | undefined;
  readonly producer?: string | undefined;
}

const TOKEN_HEADER = "x-session-token";
const SESSION_HEADER = "x-session-id";
/** The Go picker's: five minutes, some turns of a conversation. */
const TTL_DEFAULT_SECONDS = 300;

const source = z
  .strictObject({
    header: headerName.optional().meta({ description: "header with the session's id" }),
    attribute: z.string().min(1).optional().meta({ description: "request attribute with it, such as SessionID" }),
    producer: z.string().min(1).optional().meta({ description: "plugin that sets the attribute" }),
  })
  .refine(
    ({ header, attribute, producer }) => (header === undefined) !== (attribute === undefined && producer === undefined),
    {
      error: "takes header, or attribute and producer",
    },
  )
  .refine(({ attribute, producer }) => (attribute === undefined) === (producer === undefined), {
    error: "attribute and producer are given together",
  });

/** Empty means default, as in the Go picker. */
const tokenHeader = z
  .literal("")
  .transform(() => TOKEN_HEADER)
  .or(headerName);

export const sessionAffinityParameters: z.ZodType<SessionAffinityParameters> = z.strictObject({
  strategy: z
    .enum(["encoded_endpoint_header", "session_id"])
    .default("encoded_endpoint_header")
    .meta({ description: "by a token that the picker writes to responses, or by an id that it remembers" }),
  encodedEndpointHeaderConfig: z
    .strictObject({ header: tokenHeader.default(TOKEN_HEADER).meta({ description: `default ${TOKEN_HEADER}` }) })
    .prefault({}),
  sessionIdConfig: z
    .strictObject({
      sources: z
        .array(source)
        .default([])
        .transform((sources): SessionSource[] => (sources.length === 0 ? [{ header: SESSION_HEADER }] : sources))
        .meta({ description: `header, or attribute and producer; none means the header ${SESSION_HEADER}` }),
      evictionTtlSeconds: z
        .number()
        .min(0)
        .max(SESSION_SECONDS_MAX)
        .default(TTL_DEFAULT_SECONDS)
        .transform((seconds) => (seconds === 0 ? TTL_DEFAULT_SECONDS : Math.ceil(seconds)))
        .meta({ description: "a session stays bound for so long without a request; 0 means the default" }),
      evictionSweepSeconds: z.number().min(0).optional().meta({ description: "accepted; nothing is swept" }),
    })
    .prefault({}),
  profileName: z.string().optional().meta({ description: "accepted, ignored: one profile runs" }),
});

/** The session ids come from plugins that set them, when a source says so. */
export function sessionNeeds({ strategy, sessionIdConfig }: SessionAffinityParameters): DataNeeds {
  if (strategy !== "session_id") return { required: [] };
  return {
    required: sessionIdConfig.sources.flatMap(({ attribute, producer }) =>
      attribute === undefined ? [] : [{ key: requestAttribute(attribute), producer }],
    ),
  };
}

/** Tells of parameters that change nothing. */
export function warnOfSessionParameters(
  { profileName, sessionIdConfig }: SessionAffinityParameters,
  { warn }: Pick<CreateContext, "warn">,
): void {
  if (profileName !== undefined && profileName !== "") {
    warn(`profileName "${profileName}" is ignored: a session belongs to the endpoint that the request goes to`);
  }
  if (sessionIdConfig.evictionSweepSeconds !== undefined) {
    warn("evictionSweepSeconds is ignored: a binding that is too old is not used, and makes room when it must");
  }
}

/** Headers that the strategy reads. */
export function sessionHeaders(parameters: SessionAffinityParameters): readonly string[] {
  if (parameters.strategy === "encoded_endpoint_header") return [parameters.encodedEndpointHeaderConfig.header];
  return parameters.sessionIdConfig.sources.flatMap(({ header }) => header ?? []);
}

/** The session's id, from the first source that has one. */
export function sessionKeyOf({
  sessionIdConfig,
}: SessionAffinityParameters): (request: RequestView) => string | undefined {
  const readers = sessionIdConfig.sources.map(readerOf);
  return (request) => {
    for (const read of readers) {
      const id = read(request)?.trim();
      if (id !== undefined && id !== "") return id;
    }
    return undefined;
  };
}

function readerOf({ header, attribute, producer }: SessionSource): (request: RequestView) => string | undefined {
  if (header !== undefined) return (request) => request.header(header);
  const key = producedBy(requestAttribute(attribute ?? ""), producer ?? "");
  return (request) => {
    const value = request.attribute(key);
    return typeof value === "string" ? value : undefined;
  };
}

/** The endpoint that the request's token names; undefined without a token, none when the endpoint is gone. */
export function tokenEndpoints(
  header: string,
): (request: RequestView, fleet: FleetView) => readonly FleetEndpoint[] | undefined {
  return (request, fleet) => {
    const id = decodeToken(request.header(header));
    if (id === undefined) return undefined;
    const endpoint = fleet.byId(id);
    return endpoint === undefined ? [] : [endpoint];
  };
}

/** Remembers the picked endpoint, and gives its token to the client with the response. */
export function tokenHooks(header: string, instance: string): Hooks {
  const pickedKey: DataKey = { name: `sessionEndpoint/${instance}`, unit: "endpoint", source: "The pick." };
  return {
    onPicked(request, picked) {
      request.setAttribute(pickedKey, picked);
      return undefined;
    },
    onResponse(request, _head, fleet) {
      const picked = request.attribute(pickedKey);
      if (!isPicked(picked)) return undefined;
      const id = picked.id ?? idOf(picked, fleet);
      return id === undefined ? undefined : [{ name: header, value: Buffer.from(id).toString("base64") }];
    },
  };
}

type Picked = Parameters<NonNullable<Hooks["onPicked"]>>[1];

function isPicked(value: unknown): value is Picked {
  return typeof value === "object" && value !== null && "slot" in value;
}

/** The name of an endpoint that was too new to have one when it was picked. Its slot may have gone to another since. */
function idOf({ slot, hostPort }: Picked, fleet: FleetView): string | undefined {
  const endpoint = fleet.bySlot(slot);
  return endpoint?.hostPort === hostPort ? endpoint.id : undefined;
}

/** Standard base64 with padding; anything else is no token of ours. */
function decodeToken(token: string | undefined): string | undefined {
  if (token === undefined || token === "") return undefined;
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(token)) return undefined;
  return Buffer.from(token, "base64").toString("utf8");
}
