/** The ABI: everything the kernel exports, and nothing else. `src/wasm/kernel.ts` declares the same list for TypeScript. */
export * from "./layout";
export { hashBlocks, hashBytes } from "./block-hash";
export { scanBegin, scanBody } from "./json-scan";
export { matchKeys, matchKeysLinear, overlayMatch, readBegin, readEnd, ringPush } from "./prefix-index";
export { decideBatch, inFlightRequests, releasePick, resetShard } from "./schedule";
export { checkIndex, checkLanes, laneKeys } from "./check";
export { laneEvict, laneFullest, laneInsert, laneMatch, lanesInit } from "./lanes";
export { nextClearRequest, raiseEpoch, removeBlocks, storeBlocks, writerReset } from "./prefix-index-writer";
