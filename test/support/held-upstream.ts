/** A model server whose answers a test writes: each begins with one event and is held until the test says more. */
import type { RequestListener, ServerResponse } from "node:http";
import { CHAT_PATH } from "./ext-proc-messages.ts";
import { until } from "./until.ts";
import { startUpstream } from "./upstream.ts";

export interface HeldUpstream {
  readonly port: number;
  /** Resolves with the answer to the request of that index when it has come. */
  answer(index: number): Promise<ServerResponse>;
  receivedCount(): number;
  /** Answers that are over, or were cut. */
  closedCount(): number;
}

/** `head`: headers of every answer. */
export async function startHeldUpstream(head: Readonly<Record<string, string | number>>): Promise<HeldUpstream> {
  const answers: ServerResponse[] = [];
  let closedCount = 0;
  const listener: RequestListener = (incoming, response) => {
    incoming.resume();
    answers.push(response);
    response.on("close", () => closedCount++);
    response.writeHead(200, head);
    response.write("data: 1\n\n");
  };
  const { port } = await startUpstream({ [CHAT_PATH]: listener });
  return {
    port,
    answer: (index) => until(`the server has request ${index}`, () => answers[index]),
    receivedCount: () => answers.length,
    closedCount: () => closedCount,
  };
}
