/** Finds the id of the session that a request belongs to, in a header or a cookie. */
import { z } from "zod";
import { producedBy } from "../../framework/attribute-keys.ts";
import { sessionId } from "../../framework/attributes.ts";
import { headerName } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface SessionIdParameters {
  readonly headerName?: string | undefined;
  readonly cookieName?: string | undefined;
}

/** A request without the header or cookie, or with an empty one, belongs to no session. */
export const sessionIdProducer: PluginDefinition<SessionIdParameters> = {
  type: "session-id-producer",
  stability: "stable",
  summary: "Finds the id of a request's session, in a header or a cookie.",
  facets: ["producer"],
  produces: () => [sessionId],
  parameters: z
    .strictObject({
      headerName: headerName.optional().meta({ description: "header with the id" }),
      cookieName: z.string().min(1).optional().meta({ description: "cookie with the id" }),
    })
    .refine((parameters) => (parameters.headerName === undefined) !== (parameters.cookieName === undefined), {
      error: "takes headerName or cookieName, one of them",
    }),
  create: (parameters, { name }) => {
    const { headerName: header = "cookie", cookieName } = parameters;
    const key = producedBy(sessionId, name);
    return {
      headers: [header],
      producer: {
        produce(request) {
          const text = request.header(header);
          const id = cookieName === undefined ? text : cookie(text, cookieName);
          if (id !== undefined && id !== "") request.setAttribute(key, id);
        },
      },
    };
  },
};

/** The value of the first cookie of that name; quotes around it do not belong to it. */
function cookie(header: string | undefined, wanted: string): string | undefined {
  for (const pair of header?.split(";") ?? []) {
    const [name = "", ...rest] = pair.trim().split("=");
    if (name === wanted && rest.length > 0) return rest.join("=").replace(/^"(.*)"$/, "$1");
  }
  return undefined;
}
