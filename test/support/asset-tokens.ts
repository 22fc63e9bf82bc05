/**
 * What an image, a video or audio comes to in a prompt, by slow and obvious means: the whole base64 is decoded, the
 * whole content is hashed at once.
 */
import { layout } from "../../src/wasm/layout.ts";
import { xxh64 } from "./xxh64.ts";

/** `image data`: base64 alone. */
export type AssetKind = "image url" | "image data" | "video" | "audio";

/** What images and videos count as by default: a token per 1024 pixels, 640 × 360 of them where nobody says. */
export const ASSETS_DEFAULT = { imageTokenPixels: 1024, imageTokens: 225, videoTokens: 4500 } as const;

/** `count` times the low half of the content's hash. */
export function assetTokens(kind: AssetKind, content: Buffer): Buffer {
  const token = Buffer.alloc(4);
  token.writeUInt32LE(Number(xxh64(content) & 0xffff_ffffn));
  return Buffer.alloc(4 * tokenCount(kind, content), token);
}

function tokenCount(kind: AssetKind, content: Buffer): number {
  if (kind === "video") return 20 * 225;
  if (kind === "audio") return Math.ceil(content.length / 4);
  const size = imageSize(kind, content.toString("latin1"));
  if (size === undefined) return 225;
  const [width, height] = size;
  return Math.min(Math.max(1, Math.floor((width * height) / 1024)), layout.ASSET_TOKENS_MAX);
}

function imageSize(kind: "image url" | "image data", content: string): readonly [number, number] | undefined {
  const mark = content.indexOf("base64,", "data:image/".length);
  if (kind === "image url" && (!content.startsWith("data:image/") || mark < 0)) return undefined;
  const base64 = kind === "image url" ? content.slice(mark + "base64,".length) : content;
  const file = Buffer.from(/^[A-Za-z0-9+/]*/.exec(base64)?.[0] ?? "", "base64");
  const size = pngSize(file) ?? gifSize(file) ?? jpegSize(file);
  return size === undefined || size[0] * size[1] === 0 ? undefined : size;
}

function pngSize(file: Buffer): readonly [number, number] | undefined {
  const isPng = file.length >= 24 && file.toString("latin1", 0, 8) === "\x89PNG\r\n\x1a\n";
  if (!isPng || file.toString("latin1", 12, 16) !== "IHDR") return undefined;
  return [file.readUInt32BE(16), file.readUInt32BE(20)];
}

function gifSize(file: Buffer): readonly [number, number] | undefined {
  if (file.length < 10 || file.toString("latin1", 0, 4) !== "GIF8") return undefined;
  return [file.readUInt16LE(6), file.readUInt16LE(8)];
}

function jpegSize(file: Buffer): readonly [number, number] | undefined {
  if (file.length < 2 || file.readUInt16BE(0) !== 0xffd8) return undefined;
  let at = 2;
  for (let segments = 0; segments < 256; segments++) {
    if (file[at] !== 0xff) return undefined;
    while (file[at] === 0xff) at++;
    const code = file[at++];
    if (code === undefined || code === 0 || code === 0xda || code === 0xd9) return undefined;
    if (code === 0x01 || (code >= 0xd0 && code <= 0xd8)) continue;
    const isFrame = code >= 0xc0 && code <= 0xc2;
    if (at + (isFrame ? 7 : 2) > file.length) return undefined;
    if (isFrame) return [file.readUInt16BE(at + 5), file.readUInt16BE(at + 3)];
    const size = file.readUInt16BE(at);
    if (size < 2) return undefined;
    at += size;
  }
  return undefined;
}
