/**
 * The ABI: everything the kernel exports, and nothing else. `src/wasm/kernel.ts` declares the same list for TypeScript.
 */

export { hashBlocks, hashBytes } from "./block-hash";
export { checkIndex, checkLanes, laneKeys } from "./check";
export { scanBegin, scanBody } from "./json-scan";
export { laneEvict, laneFullest, laneInsert, laneMatch, lanesInit } from "./lanes";
export * from "./layout";
export { matchKeys, matchKeysLinear, overlayMatch, readBegin, readEnd, ringPush } from "./prefix-index";
export { nextClearRequest, raiseEpoch, removeBlocks, storeBlocks, writerReset } from "./prefix-index-writer";
export { expositionBegin, expositionEnd, expositionFeed } from "./prometheus-scan";
export { decideBatch, inFlightRequests, releasePick, resetShard } from "./schedule";
