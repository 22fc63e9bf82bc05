/**
 * The ABI: everything the kernel exports, and nothing else. `src/wasm/kernel.ts` declares the same list for TypeScript.
 */

export { hashBlocks, hashBytes } from "./block-hash";
export { releasePick, releaseTokens } from "./charges";
export { checkIndex, checkLanes, checkSessions, laneKeys } from "./check";
export { scanBegin, scanBody } from "./json-scan";
export { laneEvict, laneFullest, laneInsert, laneMatch, lanesInit } from "./lanes";
export * from "./layout";
export { matchKeys, matchKeysLinear, overlayMatch, readBegin, readEnd, ringDoorbell, ringPush } from "./prefix-index";
export { nextClearRequest, raiseEpoch, removeBlocks, storeBlocks, writerReset } from "./prefix-index-writer";
export { setAttribute } from "./programs";
export { expositionBegin, expositionEnd, expositionFeed } from "./prometheus-scan";
export { meanUtilization, poolSaturation } from "./saturation";
export { decideBatch, inFlightRequests, resetShard } from "./schedule";
export { stageAnswer, stageBegin, stageFilter, stagePick, stageScore, stageTotal } from "./stages";
