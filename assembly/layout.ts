/**
 * Every offset, stride, capacity and code of the shared memory, once. The exports reach TypeScript as the module's
 * exported globals (`src/wasm/layout.ts` builds its views from them and checks LAYOUT_VERSION), so no number here is
 * ever written a second time. Who writes which region, and the invariants M1…, are in `assembly/README.md`.
 *
 *  0        64 KiB                                                                                    end
 *  ├────────┼────────┬──────────┬───────────┬───────┬──────────┬────────────┬─────────────────┬─────────────────┤
 *  │ guard  │ header │ policies │ endpoints │ names │ sessions │ index sets │ shard 0 … N − 1 │ index key table │
 *  └────────┴────────┴──────────┴───────────┴───────┴──────────┴────────────┴─────────────────┴─────────────────┘
 *   never    control   control    control    control  any shard  index writer   that shard        index writer
 *   written
 *
 * Everything up to the index sets has a fixed place. The shards and the key table are sized at start
 * (`planMemory`), and their bases stand in the header.
 */

export const LAYOUT_VERSION: u32 = 5;

// ── Capacities ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Schedulable model servers at once. Holder sets are bitmaps of this many bits. */
export const ENDPOINTS_MAX: u32 = 1024;
/** 64-bit words of one endpoint bitmap. */
export const MASK_WORDS: u32 = 16;
export const MASK_SIZE: u32 = 128;
/** Data shards. More than the cores of any one machine a picker is given. */
export const SHARDS_MAX: u32 = 64;
/** Block ids of one prompt: 131,072 tokens of 64-token blocks, the field's default cap. The rest is not matched. */
export const BLOCKS_MAX: u32 = 2048;
/** Bytes of one block, at most: a multiple of 4 from 64 on. The default is 64 tokens of 4 bytes. */
export const BLOCK_SIZE_MAX: u32 = 4096;
/** Prompts of one request, each matched by itself. Further ones are counted as tokens and matched with nothing. */
export const PROMPTS_MAX: u32 = 64;
/**
 * Tokens that an image or a video stands for in a prompt: 16 M pixels, the most that vision encoders take. The header
 * of an image may claim any size.
 */
export const ASSET_TOKENS_MAX: u32 = 16384;
/** Bytes up to which a part is counted, a multiple of 4. The sum over the parts fits in 32 bits. */
export const PART_SIZE_MAX: u32 = 0x3ffffffc;
/** Picks of one `decideBatch`. */
export const PICKS_MAX: u32 = 256;
/** Endpoints that one pick can name. */
export const TARGETS_MAX: u32 = 16;
/** Profiles of one policy. */
export const PROFILES_MAX: u32 = 8;
/** Filters of one profile. */
export const FILTERS_MAX: u32 = 16;
/** Scorers of one profile. */
export const SCORERS_MAX: u32 = 16;
/** Numbers that a filter, scorer or detector is set up with. */
export const PARAMETERS_MAX: u32 = 6;
/** Label masks of one policy. */
export const LABEL_MASKS_MAX: u32 = 32;
/** Endpoint masks that one request can bring along. */
export const REQUEST_MASKS_MAX: u32 = 4;
/** Sessions that one request can belong to. */
export const REQUEST_SESSIONS_MAX: u32 = 4;
/** Columns for numbers that only some configurations have: labels, scraped custom metrics, plugins' own. */
export const ATTRIBUTES_MAX: u32 = 64;
/** Adapters, and models, that are known of one endpoint. Further ones are counted and left out. */
export const ENDPOINT_NAMES_MAX: u32 = 64;
/** Sessions that are remembered at once. */
export const SESSIONS_MAX: u32 = 65536;
/** Compiled policies kept: the active one, and older ones that requests in flight still finish on. */
export const POLICIES_MAX: u32 = 8;
/** Names (models) that have a number of their own; further ones are counted together as number 0, "other". */
export const NAMES_MAX: u32 = 1024;
/** Open-addressing slots of the name table: twice NAMES_MAX, so probes stay short. */
export const NAME_SLOTS: u32 = 2048;
/** Bytes of a body that one `scanBody` call takes. Longer chunks are fed in pieces. */
export const CHUNK_SIZE_MAX: u32 = 65536;
/** Nested arrays and objects of a body. vLLM's own JSON reader stops near 1,000. */
export const JSON_DEPTH_MAX: u32 = 1024;
/** Bytes of a model name, and of a cache salt. */
export const MODEL_SIZE_MAX: u32 = 256;
export const SALT_SIZE_MAX: u32 = 256;
/** Bytes of a JSON key that can be of interest; longer keys are skipped as unknown. */
export const KEY_SIZE_MAX: u32 = 32;
/** Bytes of an audio asset's format ("wav", "mp3") that count as content; the rest of a longer one does not. */
export const AUDIO_FORMAT_SIZE_MAX: u32 = 32;
/** Interned holder sets of three or more endpoints. One is shared by all blocks with the same holders. */
export const SETS_MAX: u32 = 65536;
/** Bytes of one shard's ring to the index writer; a power of two. */
export const RING_SIZE: u32 = 1048576;
/** Last picks of a shard that shards still see although the index writer has not applied them yet. */
export const OVERLAY_MAX: u32 = 256;
/** Bytes of "address:port" as it goes into the destination header, `[v6]:port` included. */
export const ADDRESS_SIZE_MAX: u32 = 60;

// ── Header ───────────────────────────────────────────────────────────────────────────────────────────────────────────
// Written once by the control thread before any other thread starts, except `activePolicy` and `shutdown` (atomic).
//  0         4            8                   12               16
//  ├─────────┼────────────┼───────────────────┼────────────────┼────────────┐
//  │ version │ shardCount │ streamWindowCount │ indexSlotsLog2 │ shardsBase │
//  ├─────────┴──┬─────────┴─────┬─────────────┴──┬─────────────┴┬───────────┤
//  │ shardStride│ indexTableBase│ indexVersions  │ activePolicy │ shutdown  │
//  └────────────┴───────────────┴────────────────┴──────────────┴───────────┘
//  20           24              28               32             36
export const HEADER: u32 = 65536;
export const HEADER_SIZE: u32 = 4096;
export const HEADER_VERSION: u32 = 0;
export const HEADER_SHARD_COUNT: u32 = 4;
export const HEADER_WINDOW_COUNT: u32 = 8;
export const HEADER_INDEX_SLOTS_LOG2: u32 = 12;
export const HEADER_SHARDS_BASE: u32 = 16;
export const HEADER_SHARD_STRIDE: u32 = 20;
export const HEADER_INDEX_TABLE: u32 = 24;
/** Base of the u32 versions, one per INDEX_WINDOW_SLOTS slots of the key table (M7). */
export const HEADER_INDEX_VERSIONS: u32 = 28;
export const HEADER_ACTIVE_POLICY: u32 = 32;
/** 1 asks the index writer to return. Written by the control thread, which then rings the doorbell. */
export const HEADER_SHUTDOWN: u32 = 36;

// ── Policies ─────────────────────────────────────────────────────────────────────────────────────────────────────────
// One compiled policy. Written by the control thread before its number becomes active, never changed after (M3). A
// number is used again only when no shard holds it (M18).
//  0           4            8         12          16                20             24      32            64
//  ├───────────┼────────────┼─────────┼───────────┼─────────────────┼──────────────┼───────┼─────────────┼──────────┐
//  │ blockSize │ blocksMax  │ staleMs │ tokenSize │ outputTokensMax │ profileCount │ flags │ outputRatio │ detector │
//  └───────────┴────────────┴─────────┴───────────┴─────────────────┴──────────────┴───────┴─────────────┴──────────┘
//  blockSize in bytes. tokenSize: bytes that count as one token. outputRatio f64: estimated output tokens per prompt
//  token, charged up to outputTokensMax. detector: a program. From 40 on what images and videos count as:
//  imageTokenPixels │ imageTokens │ videoTokens. Then the profiles, at POLICY_PROFILES:
//  0        4            8             12            16         20          64               1344
//  ├────────┼────────────┼─────────────┼─────────────┼──────────┼───────────┼────────────────┼───────────────┐
//  │ picker │ targetsMax │ filterCount │ scorerCount │ isStaged │           │ filters[16]    │ scorers[16]   │
//  └────────┴────────────┴─────────────┴─────────────┴──────────┴───────────┴────────────────┴───────────────┘
//  A program (filter, scorer, detector), 80 bytes; which of the numbers it uses stands with its operation:
//  0    4      8        12        16           24                    72
//  ├────┼──────┼────────┼─────────┼────────────┼─────────────────────┼───┐
//  │ op │ mask │ column │ operand │ weight f64 │ parameters f64[6]   │   │
//  └────┴──────┴────────┴─────────┴────────────┴─────────────────────┴───┘
export const POLICIES: u32 = HEADER + HEADER_SIZE;
export const POLICY_BLOCK_SIZE: u32 = 0;
export const POLICY_BLOCKS_MAX: u32 = 4;
export const POLICY_STALE_MS: u32 = 8;
export const POLICY_TOKEN_SIZE: u32 = 12;
export const POLICY_OUTPUT_TOKENS_MAX: u32 = 16;
export const POLICY_PROFILE_COUNT: u32 = 20;
export const POLICY_FLAGS: u32 = 24;
export const POLICY_OUTPUT_RATIO: u32 = 32;
/** Pixels of an image that count as one token; 0: all images count as imageTokens. */
export const POLICY_IMAGE_TOKEN_PIXELS: u32 = 40;
/** Tokens of an image whose size is not known, 1 … ASSET_TOKENS_MAX. */
export const POLICY_IMAGE_TOKENS: u32 = 44;
/** Tokens of a video of which the request does not say more, 1 … ASSET_TOKENS_MAX. */
export const POLICY_VIDEO_TOKENS: u32 = 48;
export const POLICY_DETECTOR: u32 = 64;
export const POLICY_PROFILES: u32 = 256;
export const PROGRAM_STRIDE: u32 = 80;
export const PROGRAM_OP: u32 = 0;
export const PROGRAM_MASK: u32 = 4;
export const PROGRAM_COLUMN: u32 = 8;
export const PROGRAM_OPERAND: u32 = 12;
export const PROGRAM_WEIGHT: u32 = 16;
export const PROGRAM_PARAMETERS: u32 = 24;
export const PROFILE_PICKER: u32 = 0;
/** Endpoints that a pick names, 1 … TARGETS_MAX: the picked one and those to fall back to. */
export const PROFILE_TARGETS_MAX: u32 = 4;
export const PROFILE_FILTER_COUNT: u32 = 8;
export const PROFILE_SCORER_COUNT: u32 = 12;
/** 1 for a profile with custom parts, which cannot be decided in a batch. */
export const PROFILE_IS_STAGED: u32 = 16;
export const PROFILE_FILTERS: u32 = 64;
export const PROFILE_SCORERS: u32 = PROFILE_FILTERS + FILTERS_MAX * PROGRAM_STRIDE;
export const PROFILE_STRIDE: u32 = PROFILE_SCORERS + SCORERS_MAX * PROGRAM_STRIDE;
export const POLICY_STRIDE: u32 = (POLICY_PROFILES + PROFILES_MAX * PROFILE_STRIDE + 1023) & ~1023;

/** Picks that find no cached block anywhere are noted in the order of use: a scorer of the policy asks for it. */
export const POLICY_NOTES_COLD_PICKS: u32 = 1;

export const SCORER_QUEUE_DEPTH: u32 = 1;
export const SCORER_KV_CACHE_UTILIZATION: u32 = 2;
export const SCORER_PREFIX_CACHE: u32 = 3;
export const SCORER_RUNNING_REQUESTS: u32 = 4;
export const SCORER_LORA_AFFINITY: u32 = 5;
export const SCORER_LOAD_AWARE: u32 = 6;
export const SCORER_ACTIVE_REQUEST: u32 = 7;
export const SCORER_TOKEN_LOAD: u32 = 8;
export const SCORER_NO_HIT_LRU: u32 = 9;
/** 1 for the endpoints of a request mask, 0 for others and for all without one. */
export const SCORER_REQUEST_MASK: u32 = 10;
/** 1 for the endpoint that the request's session is bound to, 0 for others. */
export const SCORER_SESSION: u32 = 11;
export const SCORER_CONTEXT_LENGTH: u32 = 12;
export const SCORER_ATTRIBUTE: u32 = 13;
/** Its column is filled by TypeScript. */
export const SCORER_CUSTOM: u32 = 14;

/** Endpoints whose labels match: a label mask. */
export const FILTER_LABELS: u32 = 1;
/** The endpoints of a request mask, none without one. */
export const FILTER_REQUEST_MASK: u32 = 2;
/** The same; all where none of them is a candidate. */
export const FILTER_REQUEST_MASK_OR_ALL: u32 = 3;
/** The endpoint that the request's session is bound to, or all. */
export const FILTER_SESSION_OR_ALL: u32 = 4;
export const FILTER_PREFIX_AFFINITY: u32 = 5;
export const FILTER_UTILIZATION: u32 = 6;
export const FILTER_ATTRIBUTE: u32 = 7;
export const FILTER_CONTEXT_LENGTH: u32 = 8;
/** The utilization detector as a filter: fresh and below both thresholds; none: all. */
export const FILTER_BELOW_UTILIZATION: u32 = 9;
/** The concurrency detector as a filter: below its capacity. */
export const FILTER_BELOW_CONCURRENCY: u32 = 10;
/** Endpoints that serve the request's model, as base model or adapter, or whose models are not known. */
export const FILTER_SERVES_MODEL: u32 = 11;
/** Endpoints that are reachable and whose metrics are fresh; none: all. */
export const FILTER_HEALTHY: u32 = 12;
/** Its mask is made by TypeScript. */
export const FILTER_CUSTOM: u32 = 13;

export const DETECTOR_UTILIZATION: u32 = 1;
export const DETECTOR_CONCURRENCY: u32 = 2;

export const PICKER_MAX_SCORE: u32 = 1;
export const PICKER_RANDOM: u32 = 2;
export const PICKER_WEIGHTED_RANDOM: u32 = 3;
/** TypeScript picks. */
export const PICKER_CUSTOM: u32 = 4;

// ── Endpoint columns ─────────────────────────────────────────────────────────────────────────────────────────────────
// Written by the control thread inside an odd/even version (M2). One value per slot; unknown numbers are NaN.
//  head, 64 bytes, u32 each:  0 version │ 4 slotCount (slots 0 … slotCount − 1 may be present) │ 8 fleet │ 12 clears
export const ENDPOINTS: u32 = POLICIES + POLICIES_MAX * POLICY_STRIDE;
export const ENDPOINTS_VERSION: u32 = 0;
export const ENDPOINTS_SLOT_COUNT: u32 = 4;
/** Raised when an endpoint is added or removed, so that what is derived from addresses can be kept until then. */
export const ENDPOINTS_FLEET: u32 = 8;
/** Raised after each change of COLUMN_CLEAR_REQUEST: the index writer looks through that column only then. Atomic. */
export const ENDPOINTS_CLEARS: u32 = 12;
/** u32 per slot: ENDPOINT_PRESENT | ENDPOINT_REACHABLE | ENDPOINT_BACKED_OFF. */
export const COLUMN_STATE: u32 = ENDPOINTS + 64;
/** u32 per slot, raised each time the slot is given to a new endpoint. */
export const COLUMN_GENERATION: u32 = COLUMN_STATE + ENDPOINTS_MAX * 4;
/** f32 per slot: waiting requests as scraped. */
export const COLUMN_QUEUE_DEPTH: u32 = COLUMN_GENERATION + ENDPOINTS_MAX * 4;
/** f32 per slot: running requests as scraped. */
export const COLUMN_RUNNING: u32 = COLUMN_QUEUE_DEPTH + ENDPOINTS_MAX * 4;
/** f32 per slot: fraction of KV cache blocks in use, 0 to 1, as scraped. */
export const COLUMN_KV_CACHE_USAGE: u32 = COLUMN_RUNNING + ENDPOINTS_MAX * 4;
/** u32 per slot: requests in flight over all shards when the scrape behind the other columns was sent. */
export const COLUMN_IN_FLIGHT_AT_SCRAPE: u32 = COLUMN_KV_CACHE_USAGE + ENDPOINTS_MAX * 4;
/** f64 per slot: time of the last successful scrape, ms on the clock that `decideBatch` is given; 0 never. */
export const COLUMN_SCRAPED_AT_MS: u32 = COLUMN_IN_FLIGHT_AT_SCRAPE + ENDPOINTS_MAX * 4;
/**
 * 64 bytes per slot: u8 length, then "ip:port" in ASCII. Valid while the slot is present and until it is given again.
 */
export const COLUMN_ADDRESS: u32 = COLUMN_SCRAPED_AT_MS + ENDPOINTS_MAX * 8;
export const ADDRESS_STRIDE: u32 = 64;
/**
 * u32 per slot: the last generation of the slot that is gone and whose blocks the index shall forget; 0 none. Atomic.
 * The slot is given again only after INDEX_CLEARED of it equals this.
 */
export const COLUMN_CLEAR_REQUEST: u32 = COLUMN_ADDRESS + ENDPOINTS_MAX * ADDRESS_STRIDE;
/** u32 per slot: blocks that the index takes the endpoint to hold at most; 0 for the common limit. */
export const COLUMN_LANE_LIMIT: u32 = COLUMN_CLEAR_REQUEST + ENDPOINTS_MAX * 4;
export const ENDPOINTS_SIZE: u32 = 64 + ENDPOINTS_MAX * (8 * 4 + 8 + ADDRESS_STRIDE);

export const ENDPOINT_PRESENT: u32 = 1;
export const ENDPOINT_REACHABLE: u32 = 2;
/** The endpoint is idle and therefore scraped rarely: its values stay fresh for BACKED_OFF_MS longer. */
export const ENDPOINT_BACKED_OFF: u32 = 4;
export const BACKED_OFF_MS: u32 = 1500;

// Names of an endpoint: its adapters and, in a table of their own, the models it serves. Written by the control thread
// between an odd and an even version of them all (M2); a reader that finds it changed reads again.
//  head, 64 bytes: 0 version u32. Then the tables of the adapters by slot, and those of the models:
//  0       4       8   16
//  ├───────┼───────┼───┼────────────────────────────────┐   hash: XXH64 of the name, with NAME_RUNNING and NAME_WAITING
//  │ count │ flags │   │ hashes u64[ENDPOINT_NAMES_MAX] │   in place of its two low bits. A table begins a cache line.
//  └───────┴───────┴───┴────────────────────────────────┘
export const ENDPOINT_NAMES_VERSION: u32 = (ENDPOINTS + ENDPOINTS_SIZE + 4095) & ~4095;
export const ADAPTERS: u32 = ENDPOINT_NAMES_VERSION + 64;
export const ENDPOINT_NAMES_STRIDE: u32 = (16 + ENDPOINT_NAMES_MAX * 8 + 63) & ~63;
export const ENDPOINT_NAMES_COUNT: u32 = 0;
export const ENDPOINT_NAMES_FLAGS: u32 = 4;
export const ENDPOINT_NAMES_HASHES: u32 = 16;
/** The engine says what it has. Without this nothing is known. */
export const ENDPOINT_NAMES_KNOWN: u32 = 1;
/** There are more than ENDPOINT_NAMES_MAX: a name that is not found may be one of the others. */
export const ENDPOINT_NAMES_CUT: u32 = 2;
/** One more adapter can be loaded without another one giving way. */
export const ENDPOINT_NAMES_ROOM: u32 = 4;
export const NAME_RUNNING: u32 = 1;
export const NAME_WAITING: u32 = 2;
export const SERVED_MODELS: u32 = ADAPTERS + ENDPOINTS_MAX * ENDPOINT_NAMES_STRIDE;

// Attribute columns: f64 per slot, NaN while unknown. Written atomically by the control thread, columns that plugins
// share by any shard; the last writer wins (M4).
export const ATTRIBUTES: u32 = SERVED_MODELS + ENDPOINTS_MAX * ENDPOINT_NAMES_STRIDE;
export const ATTRIBUTE_STRIDE: u32 = ENDPOINTS_MAX * 8;

// Label masks: LABEL_MASKS_MAX endpoint bitmaps per policy. Written atomically, word by word, by the control thread:
// those of a policy before its number becomes active (M3), later when labels change.
export const LABEL_MASKS: u32 = ATTRIBUTES + ATTRIBUTES_MAX * ATTRIBUTE_STRIDE;

// Order of use of cold picks: u64 sequence, then per slot the u64 number of its last one, 0 for none. Any shard raises
// and stores them atomically; the control thread clears a slot's when it gives it to a new endpoint (M4).
export const COLD_PICKS: u32 = LABEL_MASKS + POLICIES_MAX * LABEL_MASKS_MAX * MASK_SIZE;
export const COLD_PICK_NUMBERS: u32 = COLD_PICKS + 64;
export const COLD_PICKS_SIZE: u32 = 64 + ENDPOINTS_MAX * 8;

// ── Name table ───────────────────────────────────────────────────────────────────────────────────────────────────────
// Open addressing by hash & (NAME_SLOTS − 1), linear. Written by the control thread, number first, then hash (M1).
//  0          8          12
//  ├──────────┼──────────┼─────┤   hash: XXH64 of the name, 0 = free
//  │ hash u64 │ number   │  0  │   number: 1 … NAMES_MAX − 1
//  └──────────┴──────────┴─────┘
export const NAMES: u32 = (COLD_PICKS + COLD_PICKS_SIZE + 4095) & ~4095;
export const NAME_STRIDE: u32 = 16;
/** Where the control thread hashes a name: u64 result, then the name. */
export const NAME_SCRATCH: u32 = NAMES + NAME_SLOTS * NAME_STRIDE;
export const NAME_SCRATCH_SIZE: u32 = 4096;

// ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────
// Which endpoint a session is bound to. Buckets of SESSION_BUCKET entries, chosen by the key's low bits; written by any
// shard with compare-and-swap (M19, M20).
//  0         8                                  16
//  ├─────────┼──────────────────────────────────┤   key: XXH64 of the session's name, 0 = free
//  │ key u64 │ binding u64                      │   binding, from its low bits: slot 10 │ generation 14 │
//  └─────────┴──────────────────────────────────┘            lastUsedSeconds 24 │ tag 16, the key's highest bits
export const SESSIONS: u32 = NAME_SCRATCH + NAME_SCRATCH_SIZE;
export const SESSION_SIZE: u32 = 16;
export const SESSION_BUCKET: u32 = 8;

// ── Index sets ───────────────────────────────────────────────────────────────────────────────────────────────────────
// Written by the index writer only; readers look at `epoch`, `ringTail` and the set bitmaps.
//  head, 8 KiB:  0 epoch u64 │ 8 sleeping u32 (the doorbell, M9) │ 12 keyCount u32 │ 16 keyLimit u32
//                64 ringTail u32[SHARDS_MAX] │ 1024 counters u64[64] (INDEX_COUNTER_…)
//                4096 cleared u32[ENDPOINTS_MAX]
//  then the pool: SETS_MAX bitmaps of MASK_SIZE bytes (set 0 is never used), then private tables of the writer.
export const INDEX: u32 = SESSIONS + SESSIONS_MAX * SESSION_SIZE;
export const INDEX_HEAD_SIZE: u32 = 8192;
/** u64, raised by the writer after each batch of changes; never wraps. Atomic (M8). */
export const INDEX_EPOCH: u32 = 0;
/** 1 while the writer sleeps. Whoever adds work stores 0 and notifies (M9). */
export const INDEX_SLEEPING: u32 = 8;
export const INDEX_KEY_COUNT: u32 = 12;
/** Distinct keys that the table takes: INDEX_LOAD_PERCENT of its slots. */
export const INDEX_KEY_LIMIT: u32 = 16;
export const INDEX_RING_TAIL: u32 = 64;
export const INDEX_COUNTERS: u32 = 1024;
/** u32 per slot: the generation that was cleared last, the answer to COLUMN_CLEAR_REQUEST. Atomic. */
export const INDEX_CLEARED: u32 = 4096;
export const INDEX_SETS: u32 = INDEX + INDEX_HEAD_SIZE;
/** The writer's own tables over the sets: reference counts, hash-consing, quarantine (`index-private.ts`). */
export const INDEX_PRIVATE: u32 = INDEX_SETS + SETS_MAX * MASK_SIZE;
export const INDEX_PRIVATE_SIZE: u32 = 4194304;
/** Keys that the lanes have given up, on their way to `removeBlocks`: BLOCKS_MAX u64, first in the private area. */
export const INDEX_EVICTED_KEYS: u32 = INDEX_PRIVATE;
export const INDEX_END: u32 = INDEX_PRIVATE + INDEX_PRIVATE_SIZE;

// Key table: 2^indexSlotsLog2 slots of 16 bytes, linear probing from key & (slots − 1), load ≤ INDEX_LOAD_PERCENT.
//  0         8         12
//  ├─────────┼─────────┼─────┤   key 0: free. ref: who holds the block (REF_…). tag: the key's high half, stored and
//  │ key u64 │ ref u32 │ tag │   loaded together with ref in one 64-bit access, so that a reader never takes the ref
//  └─────────┴─────────┴─────┘   of another key that has moved into the slot meanwhile.
export const INDEX_SLOT_SIZE: u32 = 16;
export const INDEX_LOAD_PERCENT: u32 = 70;
/** Slots that share one version word. */
export const INDEX_WINDOW_SLOTS: u32 = 4096;

// ref: tag in the two low bits.
//  01  slot << 2                     one holder
//  10  slot << 2 | slot << 12        two holders, the lower slot first
//  11  set << 2                      an interned set
export const REF_ONE: u32 = 1;
export const REF_TWO: u32 = 2;
export const REF_SET: u32 = 3;

export const INDEX_COUNTER_RECORDS: u32 = 0;
export const INDEX_COUNTER_STALE_RECORDS: u32 = 1;
export const INDEX_COUNTER_BLOCKS_STORED: u32 = 2;
export const INDEX_COUNTER_BLOCKS_EVICTED: u32 = 3;
export const INDEX_COUNTER_BLOCKS_REFUSED: u32 = 4;
export const INDEX_COUNTER_SETS_LIVE: u32 = 5;
export const INDEX_COUNTER_SETS_REFUSED: u32 = 6;
export const INDEX_COUNTER_ENDPOINTS_CLEARED: u32 = 7;
export const INDEX_COUNTERS_COUNT: u32 = 8;

// ── Shard ────────────────────────────────────────────────────────────────────────────────────────────────────────────
// One per shard, at shardsBase + shard × shardStride. Written by that shard; by the control thread after it has died.
export const SHARD_HEAD: u32 = 0;
export const SHARD_HEAD_SIZE: u32 = 4096;
/** u64: the index epoch in which this shard began to read, 0 while it does not (M8). Atomic. */
export const SHARD_READER_EPOCH: u32 = 0;
/** Bytes ever published to the ring, modulo 2^32. Atomic (M6). */
export const SHARD_RING_HEAD: u32 = 8;
/** Overlay records ever written, modulo 2^32. */
export const SHARD_OVERLAY_HEAD: u32 = 12;
/** A word that nobody reads: storing it keeps loads before and after it in order. */
export const SHARD_FENCE: u32 = 20;
/** u32 per policy number: requests of this shard that use it. Atomic (M18). */
export const SHARD_POLICY_HOLDS: u32 = 64;
/**
 * u32 per shard: its ring's tail when this shard's present read began. What the writer applies after that is still
 * taken from the overlay.
 */
export const SHARD_RING_TAILS_SEEN: u32 = 128;

/** u64 counters, SHARD_COUNTER_…; they go on when a dead shard is replaced. */
export const SHARD_COUNTERS: u32 = SHARD_HEAD + SHARD_HEAD_SIZE;
export const SHARD_COUNTERS_COUNT: u32 = 64;
/** u32 per name number: requests that were picked for. */
export const SHARD_NAME_REQUESTS: u32 = SHARD_COUNTERS + SHARD_COUNTERS_COUNT * 8;
/** u32 per slot: requests in flight, and tokens of their prompts that the endpoint did not hold. */
export const SHARD_IN_FLIGHT_REQUESTS: u32 = SHARD_NAME_REQUESTS + NAMES_MAX * 4;
export const SHARD_IN_FLIGHT_TOKENS: u32 = SHARD_IN_FLIGHT_REQUESTS + ENDPOINTS_MAX * 4;

export const SHARD_COUNTER_PICKS: u32 = 0;
export const SHARD_COUNTER_BATCHES: u32 = 1;
export const SHARD_COUNTER_NO_ENDPOINTS: u32 = 2;
export const SHARD_COUNTER_ALL_UNREACHABLE: u32 = 3;
export const SHARD_COUNTER_RING_FULL: u32 = 4;
export const SHARD_COUNTER_SNAPSHOT_TORN: u32 = 5;
export const SHARD_COUNTER_PROMPT_BLOCKS: u32 = 6;
export const SHARD_COUNTER_MATCHED_BLOCKS: u32 = 7;
/** Requests for which a filter left nothing. */
export const SHARD_COUNTER_FILTERED_OUT: u32 = 8;
/** Sessions that were bound, and bindings still alive that had to make room for them. */
export const SHARD_COUNTER_SESSIONS_BOUND: u32 = 9;
export const SHARD_COUNTER_SESSIONS_REPLACED: u32 = 10;
/** From here on counted by TypeScript. */
export const SHARD_COUNTER_STREAMS_OPENED: u32 = 16;
export const SHARD_COUNTER_STREAMS_CLOSED: u32 = 17;
/** Messages that are no ext_proc messages, or come out of order. */
export const SHARD_COUNTER_PROTOCOL_ERRORS: u32 = 18;
/** Requests that the proxy sent to another endpoint than the picked one. */
export const SHARD_COUNTER_SERVED_ELSEWHERE: u32 = 19;
/** Rewrites of a model name that the proxy's body mode does not allow. */
export const SHARD_COUNTER_REWRITES_SKIPPED: u32 = 20;
/** Tokens that responses reported: prompt, prompt tokens found in a cache, completion. */
export const SHARD_COUNTER_PROMPT_TOKENS: u32 = 21;
export const SHARD_COUNTER_CACHED_TOKENS: u32 = 22;
export const SHARD_COUNTER_COMPLETION_TOKENS: u32 = 23;
/** Events of streamed responses. */
export const SHARD_COUNTER_RESPONSE_EVENTS: u32 = 24;
/** Requests that are over: this number plus the position of the cause in `EXCHANGE_CAUSES`. */
export const SHARD_COUNTER_FINISHED: u32 = 25;
/** Times that a shard had no slab left for bytes that wait. */
export const SHARD_COUNTER_SLABS_EXHAUSTED: u32 = 31;
/** Refusals: this number plus the position of the error code in the table of `base/errors.ts`. */
export const SHARD_COUNTER_REFUSED: u32 = 32;

/**
 * Scratch, where one `decideBatch` keeps its snapshot and one pick its working columns. Offsets are from the shard's
 * base.
 */
export const SHARD_SCRATCH: u32 = SHARD_IN_FLIGHT_TOKENS + ENDPOINTS_MAX * 4;
export const SCRATCH_SIZE: u32 = 327680;
/** Snapshot, one per batch: u32 slot count, then masks and columns by slot. */
export const SNAPSHOT_SLOT_COUNT: u32 = SHARD_SCRATCH;
export const SNAPSHOT_PRESENT: u32 = SHARD_SCRATCH + 64;
export const SNAPSHOT_REACHABLE: u32 = SNAPSHOT_PRESENT + MASK_SIZE;
/** f32: waiting requests as scraped, NaN when unknown or stale. */
export const SNAPSHOT_QUEUE_DEPTH: u32 = SNAPSHOT_REACHABLE + MASK_SIZE;
/** i32: requests in flight now, less those in flight at the scrape. Picks of this batch raise it. */
export const SNAPSHOT_SURPLUS: u32 = SNAPSHOT_QUEUE_DEPTH + ENDPOINTS_MAX * 4;
/** f32: KV cache usage fraction, NaN when unknown or stale. */
export const SNAPSHOT_KV_CACHE_USAGE: u32 = SNAPSHOT_SURPLUS + ENDPOINTS_MAX * 4;
/** f32: running requests as scraped, NaN when unknown or stale. */
export const SNAPSHOT_RUNNING: u32 = SNAPSHOT_KV_CACHE_USAGE + ENDPOINTS_MAX * 4;
/** u32: requests and tokens in flight over all shards. Picks of this batch raise them. */
export const SNAPSHOT_IN_FLIGHT_REQUESTS: u32 = SNAPSHOT_RUNNING + ENDPOINTS_MAX * 4;
export const SNAPSHOT_IN_FLIGHT_TOKENS: u32 = SNAPSHOT_IN_FLIGHT_REQUESTS + ENDPOINTS_MAX * 4;
/** f64: ms since the last scrape, less what a backed-off endpoint is allowed; Infinity when there was none. */
export const SNAPSHOT_AGE_MS: u32 = SNAPSHOT_IN_FLIGHT_TOKENS + ENDPOINTS_MAX * 4;

/** One pick: the candidates' mask before filters, their slots (u16) after them in rising order, columns by position. */
export const CANDIDATE_MASK: u32 = SNAPSHOT_AGE_MS + ENDPOINTS_MAX * 8;
export const CANDIDATE_SLOTS: u32 = CANDIDATE_MASK + MASK_SIZE;
/** f64 weighted totals. */
export const TOTALS: u32 = CANDIDATE_SLOTS + ENDPOINTS_MAX * 2;
/** f64 unweighted scores in [0, 1]: one column per scorer of the profile. */
export const SCORES: u32 = TOTALS + ENDPOINTS_MAX * 8;
export const SCORES_STRIDE: u32 = ENDPOINTS_MAX * 8;
/** u64 chained keys of the prompt's blocks. */
export const KEYS: u32 = SCORES + SCORERS_MAX * SCORES_STRIDE;
/** u16 by slot: leading blocks held. */
export const DEPTHS: u32 = KEYS + BLOCKS_MAX * 8;
/** u16 by slot: the same for one of several prompts, whose sum DEPTHS then is. */
export const PROMPT_DEPTHS: u32 = DEPTHS + ENDPOINTS_MAX * 2;
/** f64 by position: what a picker orders the candidates by. */
export const PICK_ORDER: u32 = PROMPT_DEPTHS + ENDPOINTS_MAX * 2;
/** u8 by position: 1 for candidates that a custom filter keeps. Written by TypeScript. */
export const KEPT: u32 = PICK_ORDER + ENDPOINTS_MAX * 8;
/** u16 positions that the picker has chosen, best first. Written by TypeScript for a custom one. */
export const CHOSEN: u32 = KEPT + ENDPOINTS_MAX;
/** Slots by the number of their last cold pick: u32 count, then u16 slots; and their ranks in it, u16 by slot. */
export const COLD_ORDER_COUNT: u32 = CHOSEN + 64;
export const COLD_ORDER: u32 = COLD_ORDER_COUNT + 64;
export const COLD_RANKS: u32 = COLD_ORDER + ENDPOINTS_MAX * 2;
/** u64 by slot: those numbers, as read for one pick. */
export const COLD_NUMBERS: u32 = COLD_RANKS + ENDPOINTS_MAX * 2;
/** Where `matchKeys`, the chain's root hash and shuffles work. */
export const WORK: u32 = COLD_NUMBERS + ENDPOINTS_MAX * 8;

/** In and out of `decideBatch`: PICKS_MAX records. */
export const SHARD_PICKS: u32 = SHARD_SCRATCH + SCRATCH_SIZE;
// A pick, 1 KiB. The caller fills the first line, sessions and masks, the kernel the rest; scores are of the picked
// endpoint.
//  0        4        8        12       16      20        24
//  ├────────┼────────┼────────┼────────┼───────┼─────────┼───────────────┐
//  │ window │ policy │ seedLo │ seedHi │ flags │ profile │ modelHash u64 │
//  ├32──────┼36────┬─┴40────┬─┴44──────┼48─────┴────┬52──┴───────┬56────┬60──────┬64─────────┬72────┬76─────────┐
//  │ result │ slot │ gener. │ matched  │ blockCount │ candidates │ ties │ tokens │ total f64 │ name │ targets n │
//  ├80──────┴─────┬┴84──────┴─────┬88─┴────────┬───┴92──────────┴──────┴────────┴───────────┴──────┴───────────┤
//  │ promptTokens │ pool          │ emptiedBy  │                                                               │
//  ├96────────────┴────────────┬──┴────────────┼224──────────┬256─────────────┬384──────────┬512───────────────┤
//  │ scores f64[SCORERS_MAX], unweighted       │ targets u16 │ candidate mask │ sessions    │ request masks    │
//  └───────────────────────────────────────────┴─────────────┴────────────────┴─────────────┴──────────────────┘
export const PICK_STRIDE: u32 = 1024;
export const PICK_WINDOW: u32 = 0;
export const PICK_POLICY: u32 = 4;
export const PICK_SEED_LOW: u32 = 8;
export const PICK_SEED_HIGH: u32 = 12;
export const PICK_FLAGS: u32 = 16;
export const PICK_PROFILE: u32 = 20;
/** XXH64 of the model's name, 0 without one. Written by the kernel. */
export const PICK_MODEL_HASH: u32 = 24;
export const PICK_RESULT: u32 = 32;
export const PICK_SLOT: u32 = 36;
export const PICK_GENERATION: u32 = 40;
/** Leading blocks of the prompt that the picked endpoint holds, overlay included. */
export const PICK_MATCHED_BLOCKS: u32 = 44;
export const PICK_BLOCK_COUNT: u32 = 48;
/** Candidates after the filters. */
export const PICK_CANDIDATE_COUNT: u32 = 52;
/** Candidates that shared the best place, the picked one included. */
export const PICK_TIE_COUNT: u32 = 56;
/** Tokens charged to the endpoint: the prompt's, less those it holds, and the estimated output. */
export const PICK_TOKENS: u32 = 60;
export const PICK_TOTAL: u32 = 64;
/** Number of the model's name, 0 when the name table does not know it. */
export const PICK_NAME_NUMBER: u32 = 72;
export const PICK_TARGET_COUNT: u32 = 76;
/** The charged tokens without the estimated output. */
export const PICK_PROMPT_TOKENS: u32 = 80;
/** Candidates before the filters. */
export const PICK_POOL_COUNT: u32 = 84;
/** With PICK_FILTERED_OUT: number of the filter that left nothing. */
export const PICK_EMPTIED_BY: u32 = 88;
export const PICK_SCORES: u32 = 96;
/** u16 slots, best first: the picked one, then those to fall back to; PICK_TARGET_COUNT of them. */
export const PICK_TARGETS: u32 = 224;
export const PICK_MASK: u32 = 256;
// A session of the request, 16 bytes: key u64 (0: none) │ secondsMax u32 │ binds u32.
/** Sessions that the request belongs to. A binding that was not used for secondsMax counts as none. */
export const PICK_SESSIONS: u32 = 384;
export const PICK_SESSION_STRIDE: u32 = 16;
export const PICK_SESSION_SECONDS_MAX: u32 = 8;
/** 1: the pick binds the session, if it is bound to no endpoint that is still there. */
export const PICK_SESSION_BINDS: u32 = 12;
/** Endpoint masks that filters and scorers ask for by number; there is one with PICK_HAS_REQUEST_MASK << number. */
export const PICK_REQUEST_MASKS: u32 = 512;

export const PICK_HAS_MASK: u32 = 1;
/** The picked endpoint is taken to hold the prompt from now on, and a cold pick is noted. */
export const PICK_RECORDS: u32 = 2;
export const PICK_HAS_SESSIONS: u32 = 4;
/** The pick counts as a request: false for further profiles of a request that has been counted. */
export const PICK_COUNTS: u32 = 8;
export const PICK_HAS_REQUEST_MASK: u32 = 16;
/** Only a look at the candidates: nothing is counted. */
export const PICK_LOOKS: u32 = 256;
/** PICK_WINDOW of a request without a body: no prompt, no model. */
export const NO_WINDOW: u32 = 0xffffffff;

export const PICKED: u32 = 0;
/** There is no endpoint that the request may use. */
export const PICK_NO_ENDPOINTS: u32 = 1;
/** There are endpoints, and the profile's filters left none of them. */
export const PICK_FILTERED_OUT: u32 = 2;

/** Ring to the index writer. */
export const SHARD_RING: u32 = SHARD_PICKS + PICKS_MAX * PICK_STRIDE;
// A ring record, 16 + 8 × keyCount bytes; `size` is that, and a record never wraps: where one would, the rest of the
// lap is filled by a record with slot RING_PADDING.
//  0      4      8            12         16
//  ├──────┼──────┼────────────┼──────────┼────────────────┐
//  │ size │ slot │ generation │ keyCount │ keys u64[]     │
//  └──────┴──────┴────────────┴──────────┴────────────────┘
export const RING_RECORD_SIZE: u32 = 0;
export const RING_RECORD_SLOT: u32 = 4;
export const RING_RECORD_GENERATION: u32 = 8;
export const RING_RECORD_KEY_COUNT: u32 = 12;
export const RING_RECORD_KEYS: u32 = 16;
export const RING_PADDING: u32 = 0xffffffff;

/** Overlay directory, of the last OVERLAY_MAX records: u32 ring position, u32 low half of the first key. */
export const SHARD_OVERLAY: u32 = SHARD_RING + RING_SIZE;

/**
 * Where body chunks are put for `scanBody`, and response bytes for the usage scan. 64 bytes of slack for wide loads.
 */
export const SHARD_CHUNK: u32 = SHARD_OVERLAY + OVERLAY_MAX * 8;
/** Canonical prompt bytes between scanner and hasher: an unfinished block, twice a chunk, slack. */
export const SHARD_STAGING: u32 = SHARD_CHUNK + CHUNK_SIZE_MAX + 64;
export const STAGING_SIZE: u32 = BLOCK_SIZE_MAX + 2 * CHUNK_SIZE_MAX + 256;
/** Stream windows start here; the stride of a shard follows from their count. */
export const SHARD_WINDOWS: u32 = (SHARD_STAGING + STAGING_SIZE + 4095) & ~4095;

// ── Stream window ────────────────────────────────────────────────────────────────────────────────────────────────────
// One per request whose body is arriving or whose pick is being decided. `WINDOW_SCAN_…` belong to json-scan.ts.
//  0                64              1024       1280      1536         1584           5680        22064        22190
//  ├────────────────┼───────────────┼──────────┼─────────┼────────────┼──────────────┼───────────┼────────────┼────┐
//  │ request facts  │ scanner state │ model    │ salt    │ parts[4]   │ unfinished   │ block ids │ breaks[63] │    │
//  └────────────────┴───────────────┴──────────┴─────────┴────────────┴──────────────┴───────────┴────────────┴────┘
export const WINDOW_STRIDE: u32 = 22528;
/** Request facts, filled by the scanner, read by TypeScript once the body is complete. All u32. */
export const WINDOW_API: u32 = 0;
export const WINDOW_RESULT: u32 = 4;
/**
 * Bytes of the body scanned; on an error, the offset of the byte that broke it (for wrong or too long values, the
 * first).
 */
export const WINDOW_BODY_OFFSET: u32 = 8;
/** FACT_… bits: which fields were present. */
export const WINDOW_FACTS: u32 = 12;
export const WINDOW_MODEL_SIZE: u32 = 16;
export const WINDOW_SALT_SIZE: u32 = 20;
/** Offsets in the body of the model's string value, quotes excluded, raw (escaped) length. */
export const WINDOW_MODEL_START: u32 = 24;
export const WINDOW_MODEL_END: u32 = 28;
/** Canonical prompt bytes over all parts, also those beyond BLOCKS_MAX. */
export const WINDOW_PROMPT_SIZE: u32 = 32;
/** Output cap in tokens, FACT_OUTPUT_CAP says whether there is one. */
export const WINDOW_OUTPUT_CAP: u32 = 36;
export const WINDOW_MESSAGE_COUNT: u32 = 40;
export const WINDOW_BLOCK_SIZE: u32 = 44;
/** Ids used in the id area, dropped parts included. */
export const WINDOW_ID_COUNT: u32 = 48;
/** Blocks that found no place because BLOCKS_MAX was reached. */
export const WINDOW_BLOCKS_BEYOND: u32 = 52;
/** Prompts of the prompt part after its first one; where they begin stands at WINDOW_BREAKS. */
export const WINDOW_BREAK_COUNT: u32 = 56;
/** Number of the policy that the body is read under. */
export const WINDOW_POLICY: u32 = 60;

export const WINDOW_SCAN: u32 = 64;
export const WINDOW_SCAN_SIZE: u32 = 960;
// Scanner state: what must outlive one `scanBody` call, zeroed by `scanBegin`. u32 unless said otherwise.
//  64          68           72            76           80         84           88           92        96
//  ├───────────┼────────────┼─────────────┼────────────┼──────────┼────────────┼────────────┼─────────┼───────────┐
//  │ state     │ depth      │ context     │ isInObject │ key      │ keySize    │ sink       │ phase   │ value     │
//  ├───────────┼────────────┼─────────────┼────────────┼──────────┼────────────┴────────────┼─────────┴───────────┤
//  │ sign      │ surrogate  │ origin      │ part       │ staged   │ caps[2]                 │ capFacts            │
//  ├───────────┴────────────┼─────────────┴────────────┼──────────┴────────────┬────────────┴─────────────────────┤
//  │ part counts[6], fieldAt│ keyBytes u8[32] at 160   │ contexts u8[16] at 192│ containers bit[1025] at 208      │
//  ├────────────────────────┴────┬─────────────────────┴───────────────────────┴──────────────────────────────────┤
//  │ idLimit at 340, promptAt    │ withheld, asset (a hash state, an image's header) from 348                     │
//  └─────────────────────────────┴────────────────────────────────────────────────────────────────────────────────┘
/** What the automaton waits for (`json-states.ts`). */
export const WINDOW_SCAN_STATE: u32 = 64;
/** Open containers; the context of the innermost one, and whether it is an object. */
export const WINDOW_SCAN_DEPTH: u32 = 68;
export const WINDOW_SCAN_CONTEXT: u32 = 72;
export const WINDOW_SCAN_IN_OBJECT: u32 = 76;
/** Code of the last key (`json-keys.ts`); its unescaped bytes while it is cut by a chunk's end, and how many. */
export const WINDOW_SCAN_KEY: u32 = 80;
export const WINDOW_SCAN_KEY_SIZE: u32 = 84;
export const WINDOW_SCAN_KEY_BYTES: u32 = 160;
/** The string, number or literal being read: where it goes, how far it is, and what has been read of it. */
export const WINDOW_SCAN_SINK: u32 = 88;
export const WINDOW_SCAN_PHASE: u32 = 92;
export const WINDOW_SCAN_VALUE: u32 = 96;
export const WINDOW_SCAN_SIGN: u32 = 100;
/** A high surrogate whose low one has not come yet, or 0. */
export const WINDOW_SCAN_SURROGATE: u32 = 104;
/** Address at which the body would begin if all of it lay before the current chunk: body offset = address − origin. */
export const WINDOW_SCAN_ORIGIN: u32 = 108;
/** The open part plus 1, or 0; its canonical bytes that are not hashed yet. */
export const WINDOW_SCAN_PART: u32 = 112;
export const WINDOW_SCAN_STAGED: u32 = 116;
/** The two output caps, and a bit for each that has been found. */
export const WINDOW_SCAN_CAPS: u32 = 120;
export const WINDOW_SCAN_CAP_FACTS: u32 = 128;
/** Canonical bytes per part, without those still staged; then, per part, its blocks that found no place. */
export const WINDOW_SCAN_PART_SIZES: u32 = 132;
export const WINDOW_SCAN_PART_BEYOND: u32 = 144;
/** Offset in the body of the value of the last field that sets a fact. */
export const WINDOW_SCAN_FIELD_AT: u32 = 156;
/** Context of each of the first CONTEXTS_MAX levels. Deeper containers are skipped or raw, as their parents are. */
export const WINDOW_SCAN_CONTEXTS: u32 = 192;
export const CONTEXTS_MAX: u32 = 16;
/** Bit n: the container at depth n is an object. Depths are 1 … JSON_DEPTH_MAX. */
export const WINDOW_SCAN_CONTAINERS: u32 = 208;
/** Ids that may be used: BLOCKS_MAX, or what was used when the prompts became too many. */
export const WINDOW_SCAN_ID_LIMIT: u32 = 340;
/** Canonical bytes of the prompt part before its present prompt. */
export const WINDOW_SCAN_PROMPT_AT: u32 = 344;
/** Bytes of a system text that are held back because they may begin a text that does not count. */
export const WINDOW_SCAN_WITHHELD: u32 = 348;
/** The asset being read (`assets.ts`): which sink its content came from, 0 none; what follows the content. */
export const WINDOW_ASSET_SINK: u32 = 352;
export const WINDOW_ASSET_FORMAT_SIZE: u32 = 356;
export const WINDOW_ASSET_FORMAT: u32 = 360;
/** XXH64 of the content so far (`xxh64-stream.ts`): four u64 lanes, the 32 bytes of an unfinished stripe, the size. */
export const WINDOW_ASSET_HASH: u32 = 392;
export const HASH_STREAM_REST: u32 = 32;
export const HASH_STREAM_SIZE: u32 = 64;
/**
 * Width and height in pixels from an image's header, 0 while unknown, and what it takes to find them (`image-size.ts`).
 */
export const WINDOW_IMAGE_WIDTH: u32 = 464;
export const WINDOW_IMAGE_HEIGHT: u32 = 468;
export const WINDOW_IMAGE_PHASE: u32 = 472;
export const WINDOW_IMAGE_MATCHED: u32 = 476;
export const WINDOW_IMAGE_BITS: u32 = 480;
export const WINDOW_IMAGE_BIT_COUNT: u32 = 484;
export const WINDOW_IMAGE_BYTE_COUNT: u32 = 488;
export const WINDOW_IMAGE_SKIP: u32 = 492;
export const WINDOW_IMAGE_SEGMENTS: u32 = 496;
export const WINDOW_IMAGE_HEAD: u32 = 504;
/** Tokens of each video in this body. */
export const WINDOW_VIDEO_TOKENS: u32 = 528;

export const WINDOW_MODEL: u32 = 1024;
export const WINDOW_SALT: u32 = 1280;
/** Per part u32 firstId, u32 idCount, in the order in which parts are chained: PART_TOOLS, PART_SYSTEM, PART_PROMPT. */
export const WINDOW_PARTS: u32 = 1536;
export const PART_STRIDE: u32 = 8;
export const WINDOW_UNFINISHED: u32 = 1584;
export const WINDOW_IDS: u32 = 5680;
/**
 * u16: ids of the prompt part before its second prompt, its third, …; WINDOW_BREAK_COUNT of them. The last may be
 * empty.
 */
export const WINDOW_BREAKS: u32 = WINDOW_IDS + BLOCKS_MAX * 8;

export const PARTS_COUNT: u32 = 3;
export const PART_TOOLS: u32 = 0;
export const PART_SYSTEM: u32 = 1;
export const PART_PROMPT: u32 = 2;

export const API_OPENAI_CHAT: u32 = 1;
export const API_OPENAI_COMPLETIONS: u32 = 2;
export const API_OPENAI_EMBEDDINGS: u32 = 3;
export const API_OPENAI_RESPONSES: u32 = 4;
export const API_OPENAI_CONVERSATIONS: u32 = 5;
export const API_OPENAI_IMAGES: u32 = 6;
export const API_ANTHROPIC_MESSAGES: u32 = 7;
export const API_VLLM_GENERATE: u32 = 8;
export const API_SGLANG_GENERATE: u32 = 9;
/** No JSON: every byte belongs to the prompt, as text or as token ids in protobuf's packed varints (`raw-scan.ts`). */
export const API_RAW_TEXT: u32 = 16;
export const API_RAW_TOKEN_IDS: u32 = 17;

export const FACT_MODEL: u32 = 1;
export const FACT_STREAM: u32 = 2;
export const FACT_OUTPUT_CAP: u32 = 4;
export const FACT_PROMPT: u32 = 8;
export const FACT_TOOLS: u32 = 16;

/** Results of `scanBody`. SCAN_MORE: well-formed so far. Everything above SCAN_DONE ends the request with 400. */
export const SCAN_MORE: u32 = 0;
export const SCAN_DONE: u32 = 1;
export const SCAN_NOT_JSON: u32 = 2;
export const SCAN_CUT: u32 = 3;
export const SCAN_TOO_DEEP: u32 = 4;
export const SCAN_NOT_AN_OBJECT: u32 = 5;
export const SCAN_MODEL_TOO_LONG: u32 = 6;
export const SCAN_SALT_TOO_LONG: u32 = 7;
export const SCAN_WRONG_TYPE: u32 = 8;
export const SCAN_NOT_TOKEN_IDS: u32 = 9;

// ── Lanes ────────────────────────────────────────────────────────────────────────────────────────────────────────────
// The index writer's private memory: a second instance of this module over a memory that no other thread has. It keeps,
// per endpoint, the held blocks in order of use, so that eviction takes tails before heads (`lanes.ts`).
//  head:  0 limit │ 4 bucketMask │ 8 issued │ 12 used │ 16 firstFree │ 20 entries (all u32), then per slot a lane:
//  ├────────┼────────┼───────┤   newest, oldest: entry numbers, 0 none. Then the keys of the record in hand, the
//  │ newest │ oldest │ count │   entries found for them, the keys evicted, the buckets (u32 entry numbers), the
//  └────────┴────────┴───────┘   entries.
export const LANES: u32 = 65536;
/** Entries that may exist, 1 … limit; of those, `issued` have been used at least once. */
export const LANES_LIMIT: u32 = LANES;
export const LANES_BUCKET_MASK: u32 = LANES + 4;
export const LANES_ISSUED: u32 = LANES + 8;
/** Entries in lanes. */
export const LANES_USED: u32 = LANES + 12;
export const LANES_FIRST_FREE: u32 = LANES + 16;
/** Base of the entries, which follow the buckets. */
export const LANES_ENTRIES: u32 = LANES + 20;
/** u64 that nobody reads: what was loaded in advance. */
export const LANES_TOUCHED: u32 = LANES + 24;
export const LANES_RECORDS: u32 = LANES + 4096;
export const LANE_STRIDE: u32 = 16;
export const LANE_NEWEST: u32 = 0;
export const LANE_OLDEST: u32 = 4;
export const LANE_COUNT: u32 = 8;
export const LANES_KEYS: u32 = LANES_RECORDS + ENDPOINTS_MAX * LANE_STRIDE;
export const LANES_FOUND: u32 = LANES_KEYS + BLOCKS_MAX * 8;
export const LANES_EVICTED: u32 = LANES_FOUND + BLOCKS_MAX * 4;
export const LANES_BUCKETS: u32 = LANES_EVICTED + BLOCKS_MAX * 8;
// An entry, 24 bytes; entry 0 does not exist.
//  0         8       12      16         20
//  ├─────────┼───────┼───────┼──────────┼──────┤   newer, older: neighbours in the lane. next: in the bucket, or in the
//  │ key u64 │ newer │ older │ next     │ slot │   list of free entries.
//  └─────────┴───────┴───────┴──────────┴──────┘
export const LANE_ENTRY_SIZE: u32 = 24;
export const LANE_ENTRY_KEY: u32 = 0;
export const LANE_ENTRY_NEWER: u32 = 8;
export const LANE_ENTRY_OLDER: u32 = 12;
export const LANE_ENTRY_NEXT: u32 = 16;
export const LANE_ENTRY_SLOT: u32 = 20;

// ── Exposition scanner ───────────────────────────────────────────────────────────────────────────────────────────────
// The control thread's private memory: one more instance of this module over a memory that no other thread has. It
// reads Prometheus expositions as they arrive from the socket (`prometheus-scan.ts`).
//  ├──────────────────────────┬────────────────────┬──────────────────────────────┤
//  │ tables: what is wanted,  │ chunk: bytes of an │ windows: what has been found │
//  │ one per engine           │ answer, 64 KiB     │ so far, one per scrape       │
//  └──────────────────────────┴────────────────────┴──────────────────────────────┘
export const EXPOSITION: u32 = 65536;
/** Engines that are told apart: the five built-in ones, and a user's own. */
export const EXPOSITION_TABLES_MAX: u32 = 32;
/** Series that one engine's table can ask for. */
export const EXPOSITION_SERIES_MAX: u32 = 64;
// A table, 32 KiB:  0 seriesCount u32 │ 64 series[EXPOSITION_SERIES_MAX] │ then the names and labels that they point
// to. A wanted series, 48 bytes:
//  0      4          8          16           24       28           32       36
//  ├──────┼──────────┼──────────┼────────────┼────────┼────────────┼────────┼──────┤
//  │ name │ nameSize │ tail u64 │ tailMask … │ labels │ labelCount │ choice │ text │
//  └──────┴──────────┴──────────┴────────────┴────────┴────────────┴────────┴──────┘
//  tail: the last 8 bytes of the name, which differ where first ones ("vllm:num") do not; tailMask u64 says which of
//  them count. text: 0, or 1 + the number of the text that takes the series' labels.
//  A wanted label, 16 bytes: name, nameSize, value, valueSize. The value is unescaped.
export const EXPOSITION_TABLES: u32 = EXPOSITION;
export const EXPOSITION_TABLE_STRIDE: u32 = 32768;
export const EXPOSITION_TABLE_SERIES: u32 = 64;
export const EXPOSITION_SERIES_STRIDE: u32 = 48;
export const EXPOSITION_SERIES_NAME: u32 = 0;
export const EXPOSITION_SERIES_NAME_SIZE: u32 = 4;
export const EXPOSITION_SERIES_TAIL: u32 = 8;
export const EXPOSITION_SERIES_TAIL_MASK: u32 = 16;
export const EXPOSITION_SERIES_LABELS: u32 = 24;
export const EXPOSITION_SERIES_LABEL_COUNT: u32 = 28;
export const EXPOSITION_SERIES_CHOICE: u32 = 32;
export const EXPOSITION_SERIES_TEXT: u32 = 36;
export const EXPOSITION_LABEL_STRIDE: u32 = 16;
/** Labels that one series can be asked by: one bit each. */
export const EXPOSITION_LABELS_MAX: u32 = 32;
/** Where a table's names and labels begin, from the table. */
export const EXPOSITION_TABLE_NAMES: u32 = EXPOSITION_TABLE_SERIES + EXPOSITION_SERIES_MAX * EXPOSITION_SERIES_STRIDE;
/** Of several series that match: the one with the greatest timestamp; with the greatest value; the sum of all. */
export const SERIES_NEWEST: u32 = 1;
export const SERIES_GREATEST: u32 = 2;
export const SERIES_SUM: u32 = 3;

/** Bytes of an answer, straight from the socket, with a margin on both sides that scans may read over. */
export const EXPOSITION_CHUNK: u32 = EXPOSITION_TABLES + EXPOSITION_TABLES_MAX * EXPOSITION_TABLE_STRIDE + 64;
export const EXPOSITION_CHUNK_SIZE: u32 = 65536;

// A window:  0 table u32 │ 4 carrySize u32 │ 8 isSkipping u32 │ 12 linesTooLong u32 │ 64 results │ texts │ carry
// A result, 32 bytes:  0 value f64 │ 8 timestamp f64 │ 16 seriesCount u32 │ 20 type u32 │ 24 textSize u32
//  type: of the metric family as its TYPE line says.
//  carry: the beginning of a line whose end has not arrived.
export const EXPOSITION_WINDOWS: u32 = EXPOSITION_CHUNK + EXPOSITION_CHUNK_SIZE + 4032;
export const EXPOSITION_WINDOW_STRIDE: u32 = 53248;
export const EXPOSITION_WINDOW_TABLE: u32 = 0;
export const EXPOSITION_WINDOW_CARRY_SIZE: u32 = 4;
export const EXPOSITION_WINDOW_IS_SKIPPING: u32 = 8;
export const EXPOSITION_WINDOW_LINES_TOO_LONG: u32 = 12;
export const EXPOSITION_WINDOW_RESULTS: u32 = 64;
export const EXPOSITION_RESULT_STRIDE: u32 = 32;
export const EXPOSITION_RESULT_VALUE: u32 = 0;
export const EXPOSITION_RESULT_TIMESTAMP: u32 = 8;
export const EXPOSITION_RESULT_SERIES_COUNT: u32 = 16;
export const EXPOSITION_RESULT_TYPE: u32 = 20;
export const EXPOSITION_RESULT_TEXT_SIZE: u32 = 24;
/** A longer line is skipped and counted. vLLM's lines have some 150 bytes, that of 200 adapters some 8 KB. */
export const EXPOSITION_LINE_SIZE_MAX: u32 = 16384;
/** Texts of one window: the label blocks of two series, `{` and `}` included. */
export const EXPOSITION_TEXTS_MAX: u32 = 2;
export const EXPOSITION_WINDOW_TEXTS: u32 =
  EXPOSITION_WINDOW_RESULTS + EXPOSITION_SERIES_MAX * EXPOSITION_RESULT_STRIDE;
export const EXPOSITION_WINDOW_CARRY: u32 =
  EXPOSITION_WINDOW_TEXTS + EXPOSITION_TEXTS_MAX * EXPOSITION_LINE_SIZE_MAX + 64;

/** What a TYPE line says. Only the first kind has values that count. */
export const FAMILY_UNTYPED: u32 = 0;
export const FAMILY_GAUGE_OR_COUNTER: u32 = 1;
export const FAMILY_OTHER: u32 = 2;
