/**
 * The decision log: one line per decision that says who was picked and why, for people.
 *
 *   sim-2 127.0.0.1:18002 | holds 62 of 63 prompt blocks | queue 1.00 × 2 + kv 0.98 × 2 + prefix 0.98 × 3 = 6.91 |
 *   best of 4 | picked in 0.041 ms (kernel 3.2 µs, batch of 1) | model sim, request 5f…
 */
import { oneLine } from "../base/one-line.ts";
import type { DecisionRecord } from "../director/context.ts";

export interface DecisionNames {
  /** Name of the endpoint that has the slot. */
  readonly endpointName: (slot: number) => string;
  /** The policy's scorers in column order. */
  readonly scorers: readonly { readonly name: string; readonly weight: number }[];
}

export function formatDecision(record: DecisionRecord, names: DecisionNames): string {
  const { pick } = record;
  const kernelUs = (record.decisionMs * 1000).toFixed(1);
  const parts = [
    `${names.endpointName(pick.slot)} ${pick.hostPort}`,
    describeReason(record),
    describeScores(record, names),
    `best of ${pick.candidateCount}`,
    `picked in ${record.pickMs.toFixed(3)} ms (kernel ${kernelUs} µs, batch of ${record.batchSize})`,
    `model ${record.model ?? "none"}, request ${record.requestId}`,
  ];
  return oneLine(parts.join(" | "));
}

/** What decided, in words. */
function describeReason({ pick }: DecisionRecord): string {
  const { matchedBlocks, blockCount, tieCount } = pick;
  if (matchedBlocks > 0) return `holds ${matchedBlocks} of ${blockCount} prompt blocks`;
  const held = blockCount > 0 ? `prompt of ${blockCount} blocks is new to it` : "no prompt";
  return tieCount > 1 ? `${held}; drawn from ${tieCount} equal ones` : `${held}; least loaded`;
}

function describeScores({ pick }: DecisionRecord, { scorers }: DecisionNames): string {
  const terms = scorers.map(({ name, weight }, index) => `${name} ${(pick.scores[index] ?? 0).toFixed(2)} × ${weight}`);
  return `${terms.join(" + ")} = ${pick.total.toFixed(2)}`;
}
