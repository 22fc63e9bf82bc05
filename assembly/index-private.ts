/**
 * Offsets in the index writer's private area (INDEX_PRIVATE): its tables over the holder sets, and work space. No
 * reader looks here. The area is rebuilt by `writerReset`, whatever a dead writer has left in it.
 */
import { BLOCKS_MAX, INDEX_EVICTED_KEYS, SETS_MAX } from "./layout";

//  0          4            8             12
//  ├──────────┼────────────┼─────────────┤   setLimit: ids 1 … setLimit − 1 exist. Queue positions count modulo 2^32.
//  │ setLimit │ queueFirst │ queueEnd    │
//  └──────────┴────────────┴─────────────┘
export const SET_LIMIT: u32 = INDEX_EVICTED_KEYS + BLOCKS_MAX * 8;
export const SET_QUEUE_FIRST: u32 = SET_LIMIT + 4;
export const SET_QUEUE_END: u32 = SET_LIMIT + 8;
/** u64 that nobody reads: what was loaded in advance. */
export const TOUCHED: u32 = SET_LIMIT + 16;
/** The bitmap that is being looked for or built. */
export const SET_DRAFT: u32 = SET_LIMIT + 128;

// One record per set, 24 bytes.
//  0              8      12     16            18      20
//  ├──────────────┼──────┼──────┼─────────────┼───────┼─────┤   retiredEpoch u64: the epoch in which refs fell to 0.
//  │ retiredEpoch │ refs │ hash │ holderCount │ flags │     │   refs: keys of the table that name the set.
//  └──────────────┴──────┴──────┴─────────────┴───────┴─────┘   hash: XOR of `slotHash` over the holders.
export const SET_RECORDS: u32 = SET_LIMIT + 4096;
export const SET_RECORD_STRIDE: u32 = 24;
export const SET_RETIRED_EPOCH: u32 = 0;
export const SET_REFS: u32 = 8;
export const SET_HASH: u32 = 12;
export const SET_HOLDER_COUNT: u32 = 16;
export const SET_FLAGS: u32 = 18;
/** The set stands in the queue of sets that may be reused. */
export const SET_QUEUED: u16 = 1;
/** The set has a bitmap and stands in the buckets; cleared when it is taken for another bitmap. */
export const SET_INTERNED: u16 = 2;

/** u32 set ids, open addressing by hash, linear: twice SETS_MAX so that probes stay short. */
export const SET_BUCKETS: u32 = SET_RECORDS + SETS_MAX * SET_RECORD_STRIDE;
export const SET_BUCKETS_COUNT: u32 = 131072;
/** u32 set ids in the order in which they became free, a ring of SETS_MAX entries. */
export const SET_QUEUE: u32 = SET_BUCKETS + SET_BUCKETS_COUNT * 4;
/** u32 per set, counted by `checkIndex` only. */
export const CHECKED_REFS: u32 = SET_QUEUE + SETS_MAX * 4;
export const INDEX_PRIVATE_END: u32 = CHECKED_REFS + SETS_MAX * 4;

/** Sets hold at least three endpoints; one or two stand in the ref itself. */
export const SET_HOLDERS_MIN: u32 = 3;
