/**
 * What scraping a fleet costs the control thread: CPU time of this process, its sockets included, while a child process
 * plays model servers with a 60 KB exposition each. Run: `npm run bench:scrape -- [endpoints]`. The baseline does the
 * same work at the same pace with node:http and plain JavaScript.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../src/base/clock.ts";
import type { Endpoint } from "../src/endpoints/registry.ts";
import type { Slot } from "../src/framework/endpoint.ts";
import { Scraper } from "../src/scrape/scraper.ts";
import { ExpositionScanner } from "../src/wasm/exposition-scanner.ts";
import { defaultScrapePlan } from "../test/support/scrape-plan.ts";
import { vllmExposition } from "./expositions.ts";
import { saveRecord, surroundings } from "./harness.ts";

const INTERVAL_MS = 50;
const WARM_UP_MS = 2_000;
const MEASURED_MS = 10_000;
const EXPOSITION_SIZE = 60_000;

interface CaseRecord {
  readonly label: string;
  readonly endpoints: number;
  readonly scrapesPerSecond: number;
  /** Cores in use: CPU time over time. */
  readonly cores: number;
  readonly microsecondsPerScrape: number;
}

/** Starts the work; returns what ends it. `count` is called after each scrape. */
type Work = (port: number, endpoints: number, count: () => void) => () => void;

const CASES: readonly { readonly label: string; readonly work: Work }[] = [
  { label: "busy, every 50 ms", work: scrapeWith({ inFlight: 1, waiting: "3" }) },
  { label: "busy, every 50 ms: node:http and plain JavaScript", work: scrapePlainly },
  { label: "idle, with back-off", work: scrapeWith({ inFlight: 0, waiting: "0" }) },
];

function scrapeWith({ inFlight, waiting }: { readonly inFlight: number; readonly waiting: string }): Work {
  return (port, endpoints, count) => {
    const plan = defaultScrapePlan({ intervalMs: INTERVAL_MS, staleMs: 2_000, backsOff: true });
    const path = `/metrics?waiting=${waiting}`;
    const scraper = new Scraper({
      clock: systemClock,
      plan: { ...plan, metrics: plan.metrics && { ...plan.metrics, path } },
      scanner: new ExpositionScanner({ windowCount: 1_024 }),
      inFlightRequests: () => inFlight,
      onScraped: count,
      onFailed: (_endpoint, { reason }) => console.error(reason),
      onBackedOff: () => undefined,
    });
    for (let slot = 0; slot < endpoints; slot++) scraper.add(endpointAt(port, slot));
    return () => scraper.close();
  };
}

/** What a scraper does that knows nothing of the kernel: one agent, whole texts, the wanted lines. */
function scrapePlainly(port: number, endpoints: number, count: () => void): () => void {
  const agent = new Agent({ keepAlive: true, maxSockets: endpoints });
  let isOver = false;
  const scrape = (): void => {
    const request = get({ host: "127.0.0.1", port, path: "/metrics?waiting=3", agent }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () => {
        const lines = text.split("\n").filter((line) => /^vllm:(num_requests|kv_cache|cache_config)/.test(line));
        if (lines.length < 4) throw new Error("the baseline finds nothing");
        count();
      });
    });
    request.on("error", (error) => {
      if (!isOver) throw error;
    });
  };
  const timers = Array.from({ length: endpoints }, () => systemClock.setInterval(scrape, INTERVAL_MS));
  return () => {
    isOver = true;
    for (const timer of timers) timer.cancel();
    agent.destroy();
  };
}

function endpointAt(port: number, slot: number): Endpoint {
  return {
    id: `default/e${slot}`,
    spec: { name: `e${slot}`, namespace: "default", address: "127.0.0.1", port, labels: {} },
    slot: slot as Slot,
    generation: 1,
    isReachable: true,
    isBackedOff: false,
    scrapeFailure: undefined,
    scraped: undefined,
    metrics: undefined,
  };
}

async function measure(label: string, work: Work, port: number, endpoints: number): Promise<CaseRecord> {
  let scrapes = 0;
  const end = work(port, endpoints, () => scrapes++);
  await pause(systemClock, WARM_UP_MS);
  scrapes = 0;
  const [cpu, startMs] = [process.cpuUsage(), systemClock.nowMs()];
  await pause(systemClock, MEASURED_MS);
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (systemClock.nowMs() - startMs) / 1_000;
  end();
  return {
    label,
    endpoints,
    scrapesPerSecond: Math.round(scrapes / seconds),
    cores: Math.round((user + system) / seconds / 1_000) / 1_000,
    microsecondsPerScrape: Math.round((user + system) / Math.max(1, scrapes)),
  };
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, ms));
}

/** The child: every path is an exposition, whose queue is idle when the query says so. */
function serve(): void {
  const busy = vllmExposition(EXPOSITION_SIZE);
  const idle = Buffer.from(
    busy.toString("latin1").replace(/^(vllm:num_requests_(?:waiting|running)\{.*\}) .*$/gm, "$1 0.0"),
    "latin1",
  );
  const server = createServer((request, response) => {
    response.end(request.url?.endsWith("waiting=0") === true ? idle : busy);
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
}

async function main(): Promise<void> {
  const endpoints = Number(process.argv[2] ?? 100);
  const child = spawn(process.execPath, [process.argv[1] ?? "", "serve"], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [port] = (await once(child, "message")) as [number];
  const cases: CaseRecord[] = [];
  try {
    for (const { label, work } of CASES) cases.push(await measure(label, work, port, endpoints));
  } finally {
    child.kill();
  }
  const record = { name: "scrape-load", ...surroundings(), expositionSize: EXPOSITION_SIZE, cases };
  console.table(cases);
  console.log(`${saveRecord(record)} written`);
}

if (process.argv[2] === "serve") serve();
else await main();
