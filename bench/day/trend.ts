/** Whether something grows: its last tenth beside its second one, since the first fills what is bounded. */
import { spanOf } from "../load/matrix.ts";

export interface Trend {
  /** Medians of the samples of one tenth. */
  readonly second: number;
  readonly last: number;
  /** Last over second. */
  readonly ratio: number;
  readonly grows: boolean;
}

const TENTHS = 10;
const RATIO_MAX = 1.05;

/** `slack`: a difference that is no growth in a quantity that is small. Needs a sample per tenth at least. */
export function trendOf(samples: readonly number[], slack: number): Trend {
  const tenth = (index: number): number =>
    spanOf(
      samples.slice(Math.floor((samples.length * index) / TENTHS), Math.floor((samples.length * (index + 1)) / TENTHS)),
    ).median;
  const [second, last] = [tenth(1), tenth(TENTHS - 1)];
  return { second, last, ratio: last / second, grows: last > Math.max(second * RATIO_MAX, second + slack) };
}
