/**
 * Images, videos and audio in a prompt. What such an asset is can be megabytes of base64, of which only a hash stays:
 * in the prompt stand as many tokens as the asset is estimated to have, each the low half of its content's XXH64. So
 * two prompts share a prefix as far as their assets are the same, and long ones weigh more.
 *
 *   begin of a string ─► beginAsset     its pieces ─► takeAssetText     end of the object (or lone string) ─► endAsset
 *
 * The estimates are the policy's: an image has a token per so many pixels (its header tells how many it has), or a
 * fixed number of them. A video has the number that the body was begun with, since nothing in the body tells it. Audio
 * has a token per 4 bytes.
 */
import { stageCopies } from "./canonical";
import { beginImage, updateImage } from "./image-size";
import { SINK_AUDIO, SINK_AUDIO_FORMAT, SINK_IMAGE_DATA, SINK_IMAGE_URL, SINK_VIDEO } from "./json-terms";
import {
  ASSET_TOKENS_MAX,
  AUDIO_FORMAT_SIZE_MAX,
  HASH_STREAM_SIZE,
  POLICY_IMAGE_TOKEN_PIXELS,
  POLICY_IMAGE_TOKENS,
  WINDOW_ASSET_FORMAT,
  WINDOW_ASSET_FORMAT_SIZE,
  WINDOW_ASSET_HASH,
  WINDOW_ASSET_SINK,
  WINDOW_IMAGE_HEIGHT,
  WINDOW_IMAGE_WIDTH,
  WINDOW_POLICY,
  WINDOW_VIDEO_TOKENS,
} from "./layout";
import { policyBase } from "./memory";
import { beginHash, endHash, updateHash } from "./xxh64-stream";

/** A string begins that is the content of an asset, or the format of an audio asset. The last of several counts. */
export function beginAsset(window: usize, sink: u32): void {
  if (sink == SINK_AUDIO_FORMAT) {
    store<u32>(window, 0, WINDOW_ASSET_FORMAT_SIZE);
    return;
  }
  store<u32>(window, sink, WINDOW_ASSET_SINK);
  beginHash(window + WINDOW_ASSET_HASH);
  if (isImage(sink)) beginImage(window, sink == SINK_IMAGE_URL);
}

/** Takes the next bytes of the string. */
export function takeAssetText(window: usize, sink: u32, source: usize, size: u32): void {
  if (sink == SINK_AUDIO_FORMAT) {
    takeFormat(window, source, size);
    return;
  }
  updateHash(window + WINDOW_ASSET_HASH, source, size);
  if (isImage(sink)) updateImage(window, source, size);
}

/** The asset is complete: its tokens go into the open part. One without content is none. */
export function endAsset(window: usize, staging: usize): void {
  const sink = load<u32>(window, WINDOW_ASSET_SINK);
  const formatSize = load<u32>(window, WINDOW_ASSET_FORMAT_SIZE);
  store<u32>(window, 0, WINDOW_ASSET_SINK);
  store<u32>(window, 0, WINDOW_ASSET_FORMAT_SIZE);
  if (sink == 0) return;
  const hash: usize = window + WINDOW_ASSET_HASH;
  if (sink == SINK_AUDIO) updateHash(hash, window + WINDOW_ASSET_FORMAT, formatSize);
  const size = load<u32>(hash, HASH_STREAM_SIZE);
  if (size == 0) return;
  stageCopies(window, staging, <u32>endHash(hash), tokenCount(window, sink, size));
}

function takeFormat(window: usize, source: usize, size: u32): void {
  const before = load<u32>(window, WINDOW_ASSET_FORMAT_SIZE);
  const taken = min<u32>(size, AUDIO_FORMAT_SIZE_MAX - before);
  memory.copy(window + WINDOW_ASSET_FORMAT + before, source, taken);
  store<u32>(window, before + taken, WINDOW_ASSET_FORMAT_SIZE);
}

/** Tokens of an asset of this kind, whose content has `size` bytes. */
function tokenCount(window: usize, sink: u32, size: u32): u32 {
  if (sink == SINK_VIDEO) return load<u32>(window, WINDOW_VIDEO_TOKENS);
  if (sink == SINK_AUDIO) return <u32>((<u64>size + 3) >> 2);
  const policy = policyBase(load<u32>(window, WINDOW_POLICY));
  const tokenPixels = load<u32>(policy, POLICY_IMAGE_TOKEN_PIXELS);
  const pixels = <u64>load<u32>(window, WINDOW_IMAGE_WIDTH) * <u64>load<u32>(window, WINDOW_IMAGE_HEIGHT);
  if (tokenPixels == 0 || pixels == 0) return load<u32>(policy, POLICY_IMAGE_TOKENS);
  return <u32>min<u64>(max<u64>(pixels / tokenPixels, 1), ASSET_TOKENS_MAX);
}

function isImage(sink: u32): bool {
  return sink == SINK_IMAGE_URL || sink == SINK_IMAGE_DATA;
}
