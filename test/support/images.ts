/** Beginnings of image files: as much as tells their size. Made here from the formats' specifications. */

export function png(width: number, height: number): Buffer {
  const file = Buffer.alloc(33);
  file.write("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1");
  file.writeUInt32BE(width, 16);
  file.writeUInt32BE(height, 20);
  file.write("\x08\x06\0\0\0", 24, "latin1");
  return file;
}

export function gif(width: number, height: number): Buffer {
  const file = Buffer.from("GIF89a\0\0\0\0\xf7\0\0", "latin1");
  file.writeUInt16LE(width, 6);
  file.writeUInt16LE(height, 8);
  return file;
}

/** `segments`: contents of application segments before the frame. `frame`: 0xc0 baseline, 0xc2 progressive. */
export function jpeg(width: number, height: number, segments: readonly Buffer[] = [], frame = 0xc0): Buffer {
  const marker = (code: number, content: Buffer): Buffer => {
    const head = Buffer.from([0xff, code, 0, 0]);
    head.writeUInt16BE(content.length + 2, 2);
    return Buffer.concat([head, content]);
  };
  const size = Buffer.from([8, 0, 0, 0, 0, 3, 1, 0x22, 0]);
  size.writeUInt16BE(height, 1);
  size.writeUInt16BE(width, 3);
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    ...segments.map((segment, index) => marker(0xe0 + (index & 15), segment)),
    marker(frame, size),
    Buffer.from([0xff, 0xda, 0, 8]),
  ]);
}

export function dataUrl(type: string, file: Buffer): string {
  return `data:image/${type};base64,${file.toString("base64")}`;
}
