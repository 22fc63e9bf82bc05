/** The parameters that all pickers share. */
import { z } from "zod";
import { layout } from "../../wasm/layout.ts";

export interface PickerParameters {
  /**
   * Endpoints in the answer, best first. More than 1 needs a proxy that can fall back; a plain ORIGINAL_DST cluster
   * cannot.
   */
  readonly maxNumOfEndpoints: number;
}

/** As in the Go picker, values below 1 mean 1. */
export const pickerParameters: z.ZodType<PickerParameters> = z.strictObject({
  maxNumOfEndpoints: z
    .int()
    .max(layout.TARGETS_MAX)
    .default(1)
    .transform((count) => Math.max(1, count))
    .meta({ description: "endpoints in the answer; below 1 means 1" }),
});
