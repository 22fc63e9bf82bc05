/**
 * `npm run bench:load` without a target: starts the bare gRPC server and our picker, checks the generator against
 * h2load, runs the matrix against both in turn and writes the record and its table.
 */
import type { Clock } from "../../src/base/clock.ts";
import { Prng } from "../../src/base/prng.ts";
import { makeScripts } from "./exchange-script.ts";
import { runH2load } from "./h2load.ts";
import { runLoad } from "./load-run.ts";
import { type LoadRecord, type MatrixOptions, runMatrix, spanOf } from "./matrix.ts";
import { type Pinning, pinGenerator, type ServerUnderTest, startBareProcess, startPickerProcess } from "./servers.ts";

export interface CompareOptions extends Omit<MatrixOptions, "isPinned"> {
  readonly endpointCount: number;
}

/** Exchanges that each of the two generators sends, per turn. */
const CHECK_EXCHANGES = 10_000;
const CHECK_TURNS = 3;
const CHECK_CONCURRENCY = 32;
const CHECK_CONNECTIONS = 2;

/** Starts one of the servers that are compared. */
type Contender = (options: {
  readonly pinning: Pinning | undefined;
  readonly endpointCount: number;
}) => Promise<ServerUnderTest>;

/** In the order in which they take turns: the base of the ratios, what the targets are for, and what explains both. */
const CONTENDERS: readonly Contender[] = [
  ({ pinning }) => startBareProcess({ pinning }),
  (options) => startPickerProcess({ ...options, shardCount: 1 }),
  (options) => startPickerProcess({ ...options, shardCount: 1, name: "picker over TLS", isTls: true }),
  (options) =>
    startPickerProcess({ ...options, shardCount: 1, name: "picker on grpc-js", args: ["--transport=grpc-js"] }),
  ({ pinning }) => startBareProcess({ pinning, name: "bare server, direct", args: ["--transport=direct"] }),
];

/** Runs everything; the servers are gone when it resolves. */
export async function compareServers(options: CompareOptions, clock: Clock): Promise<LoadRecord> {
  const pinning = pinGenerator();
  if (pinning === undefined) options.onProgress("nothing is pinned to a core: taskset, or a second core, is missing");
  const servers: ServerUnderTest[] = [];
  const started = async (starting: Promise<ServerUnderTest>): Promise<ServerUnderTest> => {
    const server = await starting;
    servers.push(server);
    return server;
  };
  try {
    const unlimited = await started(startBareProcess({ pinning, args: ["--unlimited-streams"] }));
    const h2load = await checkGenerator(unlimited, options, clock);
    options.onProgress(h2load);
    await unlimited.end();
    servers.pop();
    for (const start of CONTENDERS) await started(start({ ...options, pinning }));
    const matrix = await runMatrix(servers, { ...options, isPinned: pinning !== undefined }, clock);
    return { ...matrix, h2load };
  } finally {
    await Promise.all(servers.map((server) => server.end()));
  }
}

/** A sentence that compares what a server spends on h2load's exchanges and on the generator's. */
async function checkGenerator(server: ServerUnderTest, { load }: CompareOptions, clock: Clock): Promise<string> {
  const ratios: number[] = [];
  const script = { ...load.script, bodySize: 4 * 1024, chunkCount: 1 };
  const [exchange = { messages: [], requestCount: 0 }] = makeScripts(script, new Prng(load.seed));
  const own: number[] = [];
  const others: number[] = [];
  for (let turn = 0; turn <= CHECK_TURNS; turn++) {
    const counts = { connectionCount: CHECK_CONNECTIONS, concurrency: CHECK_CONCURRENCY };
    const other = await runH2load({ ...server, ...counts, script: exchange, exchangeCount: CHECK_EXCHANGES });
    if (other.kind === "not installed") {
      return "The generator could not be checked by another one: h2load (nghttp2-client) is not installed.";
    }
    const result = await runLoad(
      {
        ...load,
        script,
        connectionCount: CHECK_CONNECTIONS,
        pace: { kind: "closed", concurrency: CHECK_CONCURRENCY },
        isAtOnce: true,
        target: { host: "127.0.0.1", port: server.port, isTls: false },
        pid: server.pid,
        run: turn,
      },
      clock,
    );
    // The first turn warms the server up.
    if (turn === 0) continue;
    own.push(result.server?.cpuPerExchangeUs ?? Number.NaN);
    others.push(other.cpuPerExchangeUs);
    ratios.push((own.at(-1) ?? Number.NaN) / other.cpuPerExchangeUs);
  }
  const [ownUs, otherUs] = [own, others].map((values) => spanOf(values).median.toFixed(1));
  const span = spanOf(ratios);
  return (
    "Check of the generator: when whole exchanges are sent at once, the bare server spends " +
    `${ownUs} µs of CPU on one of the generator's and ${otherUs} µs on one of h2load's: ` +
    `ratio ${span.median.toFixed(2)} (${span.min.toFixed(2)} … ${span.max.toFixed(2)}).`
  );
}
