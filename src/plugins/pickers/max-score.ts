/** Picks the candidate with the highest total; among equal ones each is as likely. */
import { type NoParameters, noParameters } from "../../framework/parameters.ts";
import type { PickerDefinition } from "../../framework/plugin.ts";
import { PICKER_PROGRAMS } from "../../wasm/policies.ts";

export const maxScorePicker: PickerDefinition<NoParameters> = {
  kind: "picker",
  type: "max-score-picker",
  stability: "stable",
  summary: "Picks the highest total; ties are drawn at random.",
  parameters: noParameters,
  create: () => ({ program: PICKER_PROGRAMS.maxScore }),
};
