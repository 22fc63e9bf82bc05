/**
 * Reads one HTTP/1.1 response after another out of the pieces of a connection and hands the bytes of the body on where
 * they lie. Only what a scrape needs: sized, chunked and unframed bodies, no compression, no trailers kept.
 *
 *   head ─┬─► sized ──────────────────────────┬─► done
 *         ├─► chunk size ◄─► chunk data       │
 *         │        └─► trailers ──────────────┤
 *         └─► until the connection ends ──────┘
 *
 * https://www.rfc-editor.org/rfc/rfc9112
 */

/** Bytes of a head. What proxies and servers allow is 8 to 16 KiB. */
const HEAD_SIZE_MAX = 16_384;
/** Bytes of a line between chunks: a size, and extensions that nobody sends. */
const CHUNK_LINE_SIZE_MAX = 256;

const NEWLINE = 0x0a;

/** Gets the bytes of a body: those of `bytes` from `from` to `end`, valid during the call. */
export type BodySink = (bytes: Buffer, from: number, end: number) => void;

export class HttpResponseReader {
  readonly #bodySizeMax: number;
  #state: State = "head";
  /** The beginning of a head or line whose end has not arrived. */
  #text = "";
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left = 0;
  #bodySize = 0;
  #statusCode = 0;
  #isReusable = false;

  constructor(bodySizeMax: number) {
    this.#bodySizeMax = bodySizeMax;
  }

  get statusCode(): number {
    return this.#statusCode;
  }

  /** Bytes of this response have arrived. */
  get hasBegun(): boolean {
    return this.#state !== "head" || this.#text !== "";
  }

  get isDone(): boolean {
    return this.#state === "done";
  }

  /** The connection can carry another request after this response. */
  get isReusable(): boolean {
    return this.#isReusable;
  }

  /** Readies for the next response. */
  reset(): void {
    this.#state = "head";
    this.#text = "";
    this.#bodySize = 0;
    this.#statusCode = 0;
  }

  /** Takes the next bytes of the connection. Throws an Error with the reason when they are no response. */
  read(bytes: Buffer, size: number, sink: BodySink): void {
    let at = 0;
    while (at < size) {
      switch (this.#state) {
        case "head":
          at = this.#readHead(bytes, at, size);
          break;
        case "sized":
        case "chunk data":
          at = this.#readBody(bytes, at, Math.min(size, at + this.#left), sink);
          break;
        case "until end":
          at = this.#readBody(bytes, at, size, sink);
          break;
        case "chunk size":
        case "chunk end":
        case "trailers":
          at = this.#readLine(bytes, at, size);
          break;
        case "done":
          throw new Error("sent more than one answer");
      }
    }
  }

  /** The connection has ended. Whether that ends the response well. */
  end(): boolean {
    if (this.#state === "until end") this.#state = "done";
    return this.#state === "done";
  }

  #readHead(bytes: Buffer, from: number, size: number): number {
    const start = this.#text.length;
    // A head that comes in one piece, as nearly all do, is cut out without the body behind it.
    const found = start === 0 ? bytes.indexOf("\r\n\r\n", from, "latin1") : -1;
    const end = found >= 0 && found + 4 <= size ? found + 4 : Math.min(size, from + HEAD_SIZE_MAX + 1);
    this.#text += bytes.toString("latin1", from, end);
    const headEnd = this.#text.indexOf("\r\n\r\n", Math.max(0, start - 3));
    if (headEnd < 0) {
      if (this.#text.length > HEAD_SIZE_MAX) throw new Error(`sent a head of more than ${HEAD_SIZE_MAX} bytes`);
      return end;
    }
    const head = this.#text.slice(0, headEnd + 2);
    this.#text = "";
    this.#takeHead(head);
    return from + headEnd + 4 - start;
  }

  #takeHead(head: string): void {
    const status = /^HTTP\/1\.([01]) (\d{3})[ \r]/.exec(head);
    if (status === null) throw new Error("does not speak HTTP/1.1");
    const statusCode = Number(status[2]);
    // 100 Continue and 103 Early Hints precede the response.
    if (statusCode < 200 && statusCode !== 101) return;
    this.#statusCode = statusCode;
    const connection = header(head, "connection").toLowerCase();
    this.#isReusable = status[1] === "1" ? !connection.includes("close") : connection.includes("keep-alive");
    const encoding = header(head, "content-encoding").toLowerCase();
    if (encoding !== "" && encoding !== "identity") throw new Error(`answered in ${encoding}, which was not asked for`);
    this.#beginBody(head, statusCode);
  }

  #beginBody(head: string, statusCode: number): void {
    const length = header(head, "content-length");
    if (statusCode === 204 || statusCode === 304) {
      this.#state = "done";
    } else if (/(?:^|,)\s*chunked$/i.test(header(head, "transfer-encoding"))) {
      this.#state = "chunk size";
    } else if (length === "") {
      this.#state = "until end";
      this.#isReusable = false;
    } else {
      if (!/^\d{1,15}$/.test(length)) throw new Error(`sent the content-length "${length}"`);
      this.#left = Number(length);
      this.#checkSize(this.#left);
      this.#state = this.#left === 0 ? "done" : "sized";
    }
  }

  #readBody(bytes: Buffer, from: number, end: number, sink: BodySink): number {
    this.#bodySize += end - from;
    this.#checkSize(this.#bodySize);
    sink(bytes, from, end);
    if (this.#state === "until end") return end;
    this.#left -= end - from;
    if (this.#left === 0) this.#state = this.#state === "sized" ? "done" : "chunk end";
    return end;
  }

  #readLine(bytes: Buffer, from: number, size: number): number {
    const newline = bytes.indexOf(NEWLINE, from);
    const isWhole = newline >= 0 && newline < size;
    this.#text += bytes.toString("latin1", from, isWhole ? newline : size);
    if (this.#text.length > CHUNK_LINE_SIZE_MAX) throw new Error("sent a malformed chunk");
    if (!isWhole) return size;
    const line = this.#text.replace(/\r$/, "");
    this.#text = "";
    this.#takeLine(line);
    return newline + 1;
  }

  #takeLine(line: string): void {
    if (this.#state === "trailers") {
      if (line === "") this.#state = "done";
    } else if (this.#state === "chunk end") {
      if (line !== "") throw new Error("sent a malformed chunk");
      this.#state = "chunk size";
    } else {
      const size = /^([0-9a-f]{1,8})(?:[ \t]*;.*)?$/i.exec(line)?.[1];
      if (size === undefined) throw new Error("sent a malformed chunk");
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? "trailers" : "chunk data";
    }
  }

  #checkSize(size: number): void {
    if (size > this.#bodySizeMax) throw new Error(`answered with more than ${this.#bodySizeMax} bytes`);
  }
}

type State = "head" | "sized" | "chunk size" | "chunk data" | "chunk end" | "trailers" | "until end" | "done";

/** The value of a header of a head whose lines end in `\r\n`; empty when it is absent. */
function header(head: string, name: string): string {
  return HEADERS[name]?.exec(head)?.[1]?.trim() ?? "";
}

const HEADERS: Readonly<Record<string, RegExp>> = Object.fromEntries(
  ["connection", "content-encoding", "content-length", "transfer-encoding"].map((name) => {
    return [name, new RegExp(`\\r\\n${name}:([^\\r]*)\\r\\n`, "i")];
  }),
);
