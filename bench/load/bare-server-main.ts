/**
 * The bare server as a program: prints its port, ends on a signal. `--transport=direct` takes the picker's transport in
 * place of grpc-js; `--unlimited-streams` keeps connections of grpc-js.
 */
import { endOnSignal } from "../../src/platform/signals.ts";
import { startBareDirectServer } from "./bare-direct-server.ts";
import { startBareServer } from "./bare-server.ts";

const isUnlimited = process.argv.includes("--unlimited-streams");
const server = process.argv.includes("--transport=direct")
  ? await startBareDirectServer(0)
  : await startBareServer({ port: 0, ...(isUnlimited && { streamsPerConnectionMax: Infinity }) });
endOnSignal(() => server.close());
console.log(JSON.stringify({ port: server.port }));
