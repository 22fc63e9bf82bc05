/** What the scanner's results say to a client. */
import { EppError } from "../base/errors.ts";
import { layout } from "../wasm/layout.ts";
import type { ScanFault } from "../wasm/shard-memory.ts";

/** The refusal for a body that cannot be used: 400, with what is wrong and at which byte. */
export function refuseBody({ result, offset }: ScanFault): EppError {
  return new EppError("BadRequest", `request body ${describe(result)} (at byte ${offset})`);
}

function describe(result: number): string {
  switch (result) {
    case layout.SCAN_CUT:
      return "ends in the middle of its JSON document";
    case layout.SCAN_TOO_DEEP:
      return `nests more than ${layout.JSON_DEPTH_MAX} arrays and objects`;
    case layout.SCAN_NOT_AN_OBJECT:
      return "is not a JSON object";
    case layout.SCAN_MODEL_TOO_LONG:
      return `has a model name of more than ${layout.MODEL_SIZE_MAX} bytes`;
    case layout.SCAN_SALT_TOO_LONG:
      return `has a cache_salt of more than ${layout.SALT_SIZE_MAX} bytes`;
    case layout.SCAN_NOT_TOKEN_IDS:
      return "has token ids that are no numbers";
    case layout.SCAN_WRONG_TYPE:
      return "has a field of the wrong type";
    default:
      return "is not JSON";
  }
}
