/**
 * What the simulator's tests share: servers that are closed after each test, requests, and readers for what comes back.
 */
import { afterEach, expect } from "vitest";
import type { SimulatorOptions } from "../../../src/simulator/options.ts";
import { type Simulator, startSimulator } from "../../../src/simulator/simulator.ts";

/** As fast as timers allow: for tests that look at content, not at time. */
export const INSTANT: SimulatorOptions = { prefillOverheadMs: 0, prefillTokenMs: 0, interTokenMs: 0 };

const started: Simulator[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((simulator) => simulator.close()));
});

/** A server on a free port of the loopback interface, closed after the test. */
export async function simulatorForTest(options: SimulatorOptions = INSTANT): Promise<Simulator> {
  const simulator = await startSimulator({ name: "sim", ...options });
  started.push(simulator);
  return simulator;
}

export function urlOf(simulator: Simulator, path: string): string {
  return `http://${simulator.address.host}:${simulator.address.port}${path}`;
}

export function post(simulator: Simulator, path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return fetch(urlOf(simulator, path), { method: "POST", body: text, ...init });
}

/** A chat request with one user message. */
export function chat(content: string, fields: object = {}): object {
  return { model: "simulated-8b", messages: [{ role: "user", content }], ...fields };
}

export function postChat(simulator: Simulator, content: string, fields: object = {}): Promise<Response> {
  return post(simulator, "/v1/chat/completions", chat(content, fields));
}

export interface ChatAnswer {
  readonly id: string;
  readonly object: string;
  readonly model: string;
  readonly created: number;
  readonly choices: readonly {
    readonly message: { readonly role: string; readonly content: string };
    readonly finish_reason: string;
  }[];
  readonly usage: UsageFields;
}

export interface UsageFields {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

export async function askChat(simulator: Simulator, content: string, fields: object = {}): Promise<ChatAnswer> {
  const response = await postChat(simulator, content, fields);
  expect(response.status).toBe(200);
  return (await response.json()) as ChatAnswer;
}

export async function getText(simulator: Simulator, path: string): Promise<string> {
  return await (await fetch(urlOf(simulator, path))).text();
}

/** The events of a stream. Fails unless the text is nothing but `data:` lines with an empty line after each. */
export function sseData(text: string): string[] {
  expect(text.endsWith("\n\n")).toBe(true);
  return text
    .slice(0, -2)
    .split("\n\n")
    .map((event) => {
      expect(event).toMatch(/^data: [^\n]+$/);
      return event.slice("data: ".length);
    });
}

/** Lets events happen until the condition holds. Time does not matter: only what is already under way is waited for. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const turnsMax = 1_000_000;
  for (let turn = 0; turn < turnsMax; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`after ${turnsMax} turns still not: ${what}`);
}

/** The value of the only series with this name whose text contains all of the given labels. */
export function metricValue(exposition: string, name: string, ...labels: readonly string[]): number {
  const lines = exposition
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => labels.every((label) => line.includes(label)));
  expect(lines, `series ${name} ${labels.join(" ")}`).toHaveLength(1);
  return Number(lines[0]?.split(" ").at(-1));
}
