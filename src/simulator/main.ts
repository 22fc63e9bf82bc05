/** The simulator program: starts a fleet, prints one line per server, and ends it on SIGINT or SIGTERM. */
import { parseCommandLine } from "./command-line.ts";
import { closeFleet, startFleet } from "./fleet.ts";

async function main(): Promise<void> {
  const command = parseCommandLine(process.argv.slice(2));
  if (command.kind === "help") return console.log(command.text);
  const fleet = await startFleet(command.count, command.options);
  for (const { name, address, options } of fleet) {
    console.log(`${name} http://${address.host}:${address.port} ${[options.model, ...options.adapters].join(" ")}`);
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void closeFleet(fleet));
}

main().catch((error: unknown) => {
  console.error(`simulator: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
