/**
 * A wire between a client and a server that a test can hold, so that what one side says is heard late, and cut without
 * a word, as when a machine in between loses power.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface TestWire {
  /** Where the client connects to. */
  readonly port: number;
  /** Keeps back what the server says, until `release`. */
  hold(): void;
  release(): void;
  /** From now on nothing passes, and neither side is told. */
  cut(): void;
}

const servers: Server[] = [];
const sockets = new Set<Socket>();

/** A wire to a port of the loopback interface. */
export async function startWire(targetPort: number): Promise<TestWire> {
  const pairs: { client: Socket; target: Socket }[] = [];
  const server = createServer({ noDelay: true }, (client) => {
    const target = connect({ host: "127.0.0.1", port: targetPort, noDelay: true });
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
  const hold = (): void => {
    for (const { client, target } of pairs) target.unpipe(client).pause();
  };
  return {
    port: (server.address() as AddressInfo).port,
    hold,
    release() {
      for (const { client, target } of pairs) target.pipe(client);
    },
    cut() {
      hold();
      for (const { client, target } of pairs) client.unpipe(target).pause();
    },
  };
}

/** Ends all wires, cut ones too. */
export function closeWires(): void {
  for (const server of servers.splice(0)) server.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
}
