/** Look-up in the name table: models are counted by number, and only the control thread knows their names. */
import { NAME_SLOTS, NAME_STRIDE, NAMES } from "./layout";

/** Number of the name with this hash, 0 when the table does not know it. */
export function findName(hash: u64): u32 {
  let slot = <u32>hash & (NAME_SLOTS - 1);
  for (let probe: u32 = 0; probe < NAME_SLOTS; probe++) {
    const entry: usize = <usize>NAMES + <usize>slot * NAME_STRIDE;
    const key = atomic.load<u64>(entry);
    if (key == 0) return 0;
    if (key == hash) return load<u32>(entry, 8);
    slot = (slot + 1) & (NAME_SLOTS - 1);
  }
  return 0;
}
