/**
 * The headers with which a client opens a stream, as far as gRPC needs them, and whether HTTP/2 allows them
 * (RFC 9113, section 8; gRPC over HTTP/2).
 */

/** What a stream's headers ask for. One object per connection, filled anew for each stream. */
export class RequestHead {
  method = "";
  path = "";
  contentType = "";
  /** How long the client waits, as it says it; empty without a limit. */
  timeout = "";
  /** What is wrong with the headers; undefined when nothing is. */
  fault: string | undefined;
  #scheme = "";
  #isBehindPseudo = false;
  /** For the decoder. */
  readonly visit = (name: string, value: string): void => this.#take(name, value);

  /** Forgets the last stream's. */
  reset(): void {
    this.method = "";
    this.path = "";
    this.contentType = "";
    this.timeout = "";
    this.fault = undefined;
    this.#scheme = "";
    this.#isBehindPseudo = false;
  }

  /** A request has them, trailers have none. */
  get hasPseudo(): boolean {
    return this.method !== "" || this.path !== "" || this.#scheme !== "";
  }

  /** To be called behind the last header. */
  finish(): void {
    if (this.method === "" || this.path === "" || this.#scheme === "") this.fault ??= "a request lacks a pseudo-header";
  }

  #take(name: string, value: string): void {
    if (name.startsWith(":")) return this.#takePseudo(name, value);
    this.#isBehindPseudo = true;
    switch (name) {
      case "content-type":
        this.contentType = value;
        break;
      case "grpc-timeout":
        this.timeout = value;
        break;
      case "te":
        if (value !== "trailers") this.fault ??= `te: ${value}`;
        break;
      case "connection":
      case "keep-alive":
      case "proxy-connection":
      case "transfer-encoding":
      case "upgrade":
        this.fault ??= `the header ${name} belongs to HTTP/1`;
        break;
      default:
        if (hasUpperCase(name)) this.fault ??= `the header ${name} is not in lower case`;
    }
  }

  #takePseudo(name: string, value: string): void {
    if (this.#isBehindPseudo) this.fault ??= `the pseudo-header ${name} follows other headers`;
    switch (name) {
      case ":method":
        if (this.method !== "") this.fault ??= "two methods";
        this.method = value;
        break;
      case ":path":
        if (this.path !== "") this.fault ??= "two paths";
        this.path = value;
        break;
      case ":scheme":
        if (this.#scheme !== "") this.fault ??= "two schemes";
        this.#scheme = value;
        break;
      case ":authority":
        break;
      default:
        this.fault ??= `the pseudo-header ${name} is unknown`;
    }
  }
}

function hasUpperCase(name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    if (code >= 0x41 && code <= 0x5a) return true;
  }
  return false;
}

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Milliseconds of a `grpc-timeout`: up to eight digits and a unit. Undefined for what is none: no limit. */
export function timeoutMs(value: string): number | undefined {
  if (value === "") return undefined;
  const [, digits, unit] = /^([0-9]{1,8})([HMSmun])$/.exec(value) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  return Number(digits) * (MS_PER_UNIT[unit] as number);
}
