/** What a client speaks that does not begin as HTTP/2 does, in words that help to mend it. */

const TLS_HANDSHAKE = 0x16;
const HTTP1 = /^[A-Z]{3,7} \S/;

/** `bytes`: the first that came on the connection, or those after a right beginning. */
export function foreignProtocol(bytes: Buffer): string {
  if (bytes[0] === TLS_HANDSHAKE) {
    return "the client speaks TLS: let the proxy speak plaintext to this port, or start with --secure-serving=true";
  }
  if (HTTP1.test(bytes.toString("latin1", 0, 16))) {
    return "the client speaks HTTP/1.1: ext_proc is gRPC, which needs HTTP/2";
  }
  return "the client does not speak HTTP/2";
}
