/**
 * A wire between a client and a server that can be cut without a word: neither side is told, as when a machine in
 * between loses power.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface CutWire {
  /** Where the client connects to. */
  readonly port: number;
  /** From now on nothing passes, and nobody hears of it. */
  cut(): void;
}

const servers: Server[] = [];
const sockets = new Set<Socket>();

/** A wire to a port of the loopback interface. */
export async function startCutWire(targetPort: number): Promise<CutWire> {
  const pairs: { client: Socket; target: Socket }[] = [];
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const target = connect({ host: "127.0.0.1", port: targetPort, noDelay: true, allowHalfOpen: true });
    pairs.push({ client, target });
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    client.pipe(target);
    target.pipe(client);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      for (const { client, target } of pairs) {
        client.unpipe(target);
        target.unpipe(client);
        client.pause();
        target.pause();
      }
    },
  };
}

/** Ends all wires, cut ones too. */
export function closeCutWires(): void {
  for (const server of servers.splice(0)) server.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
}
