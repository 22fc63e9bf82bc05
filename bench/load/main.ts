/**
 * `npm run bench:load`: drives a picker as Envoy does and reports what it costs; without `--target` our own against a
 * bare gRPC server. `bench/load/README.md` says how to read it.
 */
import { GENERATED_TABLES, writeDocuments } from "../../scripts/generated-tables.ts";
import { systemClock } from "../../src/base/clock.ts";
import { ConfigError } from "../../src/base/errors.ts";
import { Prng } from "../../src/base/prng.ts";
import { formatHelp, parseFlags } from "../../src/platform/flags.ts";
import { endOnSignal } from "../../src/platform/signals.ts";
import { saveRecord } from "../harness.ts";
import { compareServers } from "./compare.ts";
import type { Target } from "./connection.ts";
import { makeScripts } from "./exchange-script.ts";
import { LOAD_FLAGS, type LoadFlags } from "./load-flags.ts";
import { formatLoad } from "./load-report.ts";
import { type LoadOptions, runLoad } from "./load-run.ts";
import { formatLoadRecord } from "./load-table.ts";
import { probe } from "./probe.ts";
import { endServers } from "./servers.ts";

/** Endpoints that our picker chooses from. */
const ENDPOINT_COUNT = 100;

async function main(args: readonly string[]): Promise<void> {
  const flags = parseFlags(LOAD_FLAGS, args);
  if (flags === undefined) {
    const about = "Drives an ext_proc picker as Envoy does.";
    process.stdout.write(
      formatHelp({ usage: "npm run bench:load -- [flags]", about, groups: [{ title: "Flags", flags: LOAD_FLAGS }] }),
    );
  } else if (flags.target === "") await compare(flags);
  else await drive(flags);
}

async function drive(flags: LoadFlags): Promise<void> {
  const { authority, timeoutMs, seed, pid, concurrency, ratePerSecond } = flags;
  const target = readTarget(flags);
  const [script = { messages: [], requestCount: 0 }] = makeScripts(flags, new Prng(seed));
  const { destination, endsAfterPick } = await probe({ target, authority, script, timeoutMs }, systemClock);
  if (!flags.isJson) console.log(`target      ${flags.target} picks ${destination || "no endpoint"}`);
  if (endsAfterPick && !flags.isJson) console.log("            and ends its streams after the pick");
  const result = await runLoad(
    {
      ...commonOptions(flags),
      target,
      pace: ratePerSecond > 0 ? { kind: "open", ratePerSecond } : { kind: "closed", concurrency },
      mayEndAfterPick: endsAfterPick,
      ...(pid > 0 && { pid }),
    },
    systemClock,
  );
  console.log(flags.isJson ? JSON.stringify(result, undefined, 2) : formatLoad(result));
}

async function compare(flags: LoadFlags): Promise<void> {
  endOnSignal(endServers);
  const record = await compareServers(
    {
      load: commonOptions(flags),
      roundCount: flags.roundCount,
      endpointCount: ENDPOINT_COUNT,
      onProgress: (text) => console.error(text),
    },
    systemClock,
  );
  console.log(flags.isJson ? JSON.stringify(record, undefined, 2) : formatLoadRecord(record));
  if (!flags.saves) return;
  console.error(`${saveRecord(record)} written`);
  const tables = GENERATED_TABLES.filter(({ document }) => document === "bench/README.md");
  for (const path of writeDocuments(tables)) console.error(`${path} written`);
}

function readTarget({ target, isTls }: LoadFlags): Target {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(target);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) throw new ConfigError(`--target: "${target}" is not host:port`);
  return { host, port: Number(match?.[3]), isTls };
}

function commonOptions(flags: LoadFlags): Omit<LoadOptions, "target" | "pace"> {
  const { authority, connectionCount, ending, chunksInFlight, timeoutMs, threadCount } = flags;
  const { warmUpMs, durationMs, exchangeCountMin, seed } = flags;
  const times = { warmUpMs, durationMs, exchangeCountMin, timeoutMs };
  const exchange = { ending, chunksInFlight, isAtOnce: false, mayEndAfterPick: false };
  return { ...times, ...exchange, authority, connectionCount, threadCount, seed, script: flags };
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof ConfigError)) throw error;
  console.error(`bench:load: ${error.message}`);
  process.exitCode = 2;
});
