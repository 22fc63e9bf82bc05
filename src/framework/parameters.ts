/** Parameter schemas that many plugins share, and what the operator is told of parameters that change nothing. */
import { z } from "zod";
import { parseDuration } from "../base/duration.ts";
import type { CreateContext } from "./plugin.ts";

export type NoParameters = Record<string, never>;

/** A plugin that takes none. */
export const noParameters: z.ZodType<NoParameters> = z.strictObject({});

/** Anything: the Go picker does not look at the parameters of this type, so configurations may hold what they like. */
export const ignoredParameters: z.ZodType = z.unknown().meta({ description: "none; anything is ignored" });

/** Tells of parameters that nothing looks at. */
export function warnOfIgnored(parameters: unknown, { warn }: Pick<CreateContext, "warn">): void {
  const isEmpty =
    parameters === undefined ||
    parameters === null ||
    (typeof parameters === "object" && Object.keys(parameters).length === 0);
  if (!isEmpty) warn("takes no parameters; those given are ignored");
}

/** Tells of each parameter of `advice` that is given; `advice` says what to write instead. */
export function warnOfDeprecated<Parameters extends object>(
  parameters: Parameters,
  advice: Readonly<Partial<Record<keyof Parameters & string, string>>>,
  { warn }: Pick<CreateContext, "warn">,
): void {
  for (const [name, text] of Object.entries<string | undefined>(advice)) {
    if (text === undefined || parameters[name as keyof Parameters] === undefined) continue;
    warn(`parameter ${name} is deprecated: ${text}`);
  }
}

/** Name of a plugin instance that another one takes its data from. Empty means the default one, as in the Go picker. */
export const producerName: z.ZodType<string | undefined> = z
  .string()
  .optional()
  .transform((name) => (name === "" ? undefined : name))
  .meta({ description: "plugin that supplies the data; the default one when it is left out" });

/** Name of a header, in lower case, as headers arrive. */
export const headerName: z.ZodType<string> = z
  .string()
  .trim()
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, "must be the name of a header")
  .toLowerCase();

/** A duration as Go writes it ("200ms", "1m30s"), in milliseconds, more than 0. */
export const positiveDurationMs: z.ZodType<number, string> = z.string().transform((text, context) => {
  const durationMs = parseDuration(text);
  if (durationMs !== undefined && durationMs > 0) return durationMs;
  context.addIssue({ code: "custom", message: 'must be a duration above 0, like "200ms" or "1m30s"' });
  return z.NEVER;
});
