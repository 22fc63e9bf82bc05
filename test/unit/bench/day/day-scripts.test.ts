import { expect, it } from "vitest";
import { makeDayScripts } from "../../../../bench/day/day-scripts.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { decodeProcessingRequest, type ProcessingRequest } from "../../../../src/wire/ext-proc/request-decoder.ts";

const GRPC_HEAD_SIZE = 5;
const VARIATION_COUNT = 200;

const scripts = makeDayScripts(VARIATION_COUNT, new Prng(1)).map(({ messages, requestCount, outcome }) => ({
  outcome,
  requestCount,
  messages: messages.map(({ bytes }) => decodeProcessingRequest(bytes.subarray(GRPC_HEAD_SIZE))),
}));

function isPickDue(message: ProcessingRequest): boolean {
  return message.kind === "requestBody" && message.endOfStream;
}

it("all kinds of trouble come, and most exchanges have none", () => {
  const refused = scripts.filter(({ outcome }) => outcome?.kind === "refused");
  const abandoned = scripts.filter(({ outcome }) => outcome?.kind === "abandoned");
  expect(refused).toHaveLength(VARIATION_COUNT / 100);
  expect(abandoned).toHaveLength(VARIATION_COUNT / 50);
});

it("a client that leaves before the pick has not sent its last piece; one that leaves in the response has", () => {
  const abandoned = scripts.filter(({ outcome }) => outcome?.kind === "abandoned");
  const early = abandoned.filter(({ messages }) => !messages.some(isPickDue));
  const late = abandoned.filter(({ messages }) => messages.some(isPickDue));
  expect(early.length).toBe(late.length);
  for (const { messages } of late) expect(messages.at(-1)).toMatchObject({ kind: "responseBody", endOfStream: false });
});

it("whoever is refused sends JSON that breaks off, everybody else does not", () => {
  const whole = scripts.filter(({ messages }) => messages.some(isPickDue));
  const bodies = whole.map(({ messages }) =>
    Buffer.concat(messages.flatMap((one) => (one.kind === "requestBody" ? [one.body] : []))).toString(),
  );
  expect(bodies.map((body) => !body.endsWith('"}]}'))).toEqual(whole.map(({ outcome }) => outcome?.kind === "refused"));
});
