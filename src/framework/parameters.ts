/** Parameter schemas that many plugins share. */
import { z } from "zod";

export type NoParameters = Record<string, never>;

/** A plugin that takes none. */
export const noParameters: z.ZodType<NoParameters> = z.strictObject({});
