/** Ports of the loopback interface for programs that cannot be asked which one they took. */
import { type AddressInfo, createServer, type Server } from "node:net";

/** Ports that were free just now, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => occupyPort()));
  const ports = servers.map(({ port }) => port);
  await Promise.all(servers.map(({ release }) => release()));
  return ports;
}

/** Listens on a port, a free one unless it is given, until `release`. */
export async function occupyPort(port = 0): Promise<{ port: number; release(): Promise<void> }> {
  const server: Server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    release: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The first of `count` consecutive ports that were free just now. */
export async function freePortRun(count: number): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const first = await occupyPort();
    const taken = [first];
    try {
      while (taken.length < count) taken.push(await occupyPort(first.port + taken.length));
      return first.port;
    } catch {
      // The next one was taken: begin elsewhere.
    } finally {
      await Promise.all(taken.map(({ release }) => release()));
    }
  }
  throw new Error(`found no ${count} consecutive free ports`);
}

const ATTEMPTS_MAX = 100;
