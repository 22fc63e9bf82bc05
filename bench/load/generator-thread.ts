/**
 * A generator on a thread of its own. This file is both sides: the class that the program uses, and what the thread
 * runs. Commands are answered one by one, in order.
 */
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { systemClock } from "../../src/base/clock.ts";
import { messageOf } from "../../src/base/errors.ts";
import { Generator, type GeneratorOptions, type GeneratorResult } from "./generator.ts";

type Command = "start" | "startMeasuring" | "endedCount" | "stopMeasuring" | "stop";

type Reply = { readonly kind: "done"; readonly result: Result } | { readonly kind: "failed"; readonly message: string };

type Result = GeneratorResult | number | undefined;

/** Tells this file that it runs as such a thread. */
interface ThreadData {
  readonly generator: GeneratorOptions;
}

/** The same steps as a `Generator`, each a message to its thread. */
export class GeneratorThread {
  readonly #worker: Worker;

  constructor(generator: GeneratorOptions) {
    const data: ThreadData = { generator };
    this.#worker = new Worker(fileURLToPath(import.meta.url), { workerData: data });
  }

  async start(): Promise<void> {
    await this.#ask("start");
  }

  async startMeasuring(): Promise<void> {
    await this.#ask("startMeasuring");
  }

  async endedCount(): Promise<number> {
    return (await this.#ask("endedCount")) as number;
  }

  async stopMeasuring(): Promise<GeneratorResult> {
    return (await this.#ask("stopMeasuring")) as GeneratorResult;
  }

  async stop(): Promise<void> {
    await this.#ask("stop");
    await this.#worker.terminate();
  }

  #ask(command: Command): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#worker.once("error", reject);
      this.#worker.once("message", (reply: Reply) => {
        this.#worker.removeListener("error", reject);
        if (reply.kind === "done") resolve(reply.result);
        else reject(new Error(reply.message));
      });
      this.#worker.postMessage(command);
    });
  }
}

function runThread(generator: Generator): void {
  parentPort?.on("message", (command: Command) => {
    void (async () => {
      let reply: Reply;
      try {
        reply = { kind: "done", result: (await generator[command]()) ?? undefined };
      } catch (error) {
        reply = { kind: "failed", message: messageOf(error) };
      }
      parentPort?.postMessage(reply);
    })();
  });
}

const data = workerData as Partial<ThreadData> | null;
if (!isMainThread && data?.generator !== undefined) runThread(new Generator(data.generator, systemClock));
