/** Writes compiled profiles as the kernel's programs: operations and numbers. */
import type { DetectorProgram, FilterProgram, ScorerProgram } from "../framework/programs.ts";
import {
  DETECTOR_OPS,
  FILTER_OPS,
  type KernelProgram,
  PICKER_OPS,
  type ProfileProgram,
  SCORER_OPS,
} from "../wasm/policies.ts";
import type { NumberedProgram, ProfileSource } from "./profiles.ts";

/** `columnNumbers`: of the columns by their positions in the policy. */
export function profileProgram(source: ProfileSource, columnNumbers: readonly number[]): ProfileProgram {
  return {
    filters: source.filters.map((filter) => filterProgram(filter, columnNumbers)),
    scorers: source.scorers.map((scorer) => ({ program: scorerProgram(scorer, columnNumbers), weight: scorer.weight })),
    picker: PICKER_OPS[source.picker?.op ?? "custom"],
    targetsMax: source.targetsMax,
  };
}

export function kernelProgram({ op, parameters }: DetectorProgram): KernelProgram {
  return { op: DETECTOR_OPS[op], parameters };
}

function filterProgram(filter: NumberedProgram<FilterProgram>, columnNumbers: readonly number[]): KernelProgram {
  if (filter.program === undefined) return { op: FILTER_OPS.custom };
  return { op: FILTER_OPS[filter.program.op], ...operands(filter, columnNumbers) };
}

function scorerProgram(scorer: NumberedProgram<ScorerProgram>, columnNumbers: readonly number[]): KernelProgram {
  if (scorer.program === undefined) return { op: SCORER_OPS.custom };
  return { op: SCORER_OPS[scorer.program.op], ...operands(scorer, columnNumbers) };
}

/** A program reads label masks or request masks, and as second operand a session or a second column; never both. */
function operands(
  { program, numbers }: NumberedProgram<FilterProgram | ScorerProgram>,
  columnNumbers: readonly number[],
): Omit<KernelProgram, "op"> {
  const mask = numbers.labelMask ?? numbers.requestMask;
  const [column, second] = numbers.columns.map((position) => columnNumbers[position]);
  const operand = numbers.session ?? second;
  return {
    ...(program?.parameters !== undefined && { parameters: program.parameters }),
    ...(mask !== undefined && { mask }),
    ...(column !== undefined && { column }),
    ...(operand !== undefined && { operand }),
  };
}
