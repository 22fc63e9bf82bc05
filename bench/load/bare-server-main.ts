/** The bare server as a program: prints its port, ends on a signal. `--unlimited-streams` keeps its connections. */
import { endOnSignal } from "../../src/platform/signals.ts";
import { startBareServer } from "./bare-server.ts";

const isUnlimited = process.argv.includes("--unlimited-streams");
const server = await startBareServer({ port: 0, ...(isUnlimited && { streamsPerConnectionMax: Infinity }) });
endOnSignal(() => server.close());
console.log(JSON.stringify({ port: server.port }));
