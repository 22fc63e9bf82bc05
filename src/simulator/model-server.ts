/**
 * The HTTP side of one simulated model server: the paths of vLLM's API server, from request to answer. It lives as long
 * as its engine; a revived simulator has a new one.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Prng } from "../base/prng.ts";
import { AnswerBody } from "./answer-body.ts";
import { ApiError } from "./api-error.ts";
import { REQUEST_BODY_SIZE_MAX } from "./defaults.ts";
import { Engine } from "./engine.ts";
import { Exposition } from "./exposition.ts";
import { EXPOSITION_CONTENT_TYPE } from "./exposition-format.ts";
import { drawFault, type Fault } from "./faults.ts";
import { generate } from "./generation.ts";
import { type GenerationApi, parseGenerationRequest } from "./generation-request.ts";
import { listModels } from "./model-list.ts";
import type { MetricOverrides, SimulatorSettings } from "./options.ts";
import { readBody } from "./request-body.ts";

export class ModelServer {
  readonly engine: Engine;
  fault: Fault;
  faultFraction: number;
  metricOverrides: MetricOverrides;
  readonly #settings: SimulatorSettings;
  readonly #exposition: Exposition;
  readonly #faultPrng: Prng;
  #requestCount = 0;

  constructor(settings: SimulatorSettings) {
    this.#settings = settings;
    this.engine = new Engine(settings);
    this.fault = settings.fault;
    this.faultFraction = settings.faultFraction;
    this.metricOverrides = settings.metricOverrides;
    this.#exposition = new Exposition(this.engine, settings);
    this.#faultPrng = new Prng(settings.seed).fork(`faults of ${settings.name}`);
  }

  /** Answers one request. What is wrong with the request is the answer; a rejection is a defect of the simulator. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.fault.kind === "refuse") return void request.socket.destroy();
    response.setHeader("x-simulator", this.#settings.name);
    try {
      await this.#route(request, response);
    } catch (error) {
      if (error instanceof ApiError) answerJson(response, error.status, error);
      // When the client went away within its body, there is nobody to answer.
      else if (request.complete) throw error;
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "/").split("?")[0] as string;
    const route = ROUTES[path];
    if (route === undefined) return answerJson(response, 404, { detail: "Not Found" });
    if (request.method !== route.method) return answerJson(response, 405, { detail: "Method Not Allowed" });
    switch (route.kind) {
      case "generation":
        return await this.#generate(route.api, request, response);
      case "models":
        return answerJson(response, 200, listModels(this.#settings));
      case "metrics":
        return answer(response, 200, EXPOSITION_CONTENT_TYPE, this.#exposition.render(this.metricOverrides));
      case "version":
        return answerJson(response, 200, { version: "simulator" });
      case "health":
        return answer(response, 200, "text/plain", "");
    }
  }

  async #generate(api: GenerationApi, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request, REQUEST_BODY_SIZE_MAX);
    const generation = parseGenerationRequest(api, body, this.#settings);
    const requestId = this.#nameRequest(request);
    const fault = drawFault(this.fault, this.faultFraction, this.#faultPrng);
    if (fault.kind === "status") throw new ApiError(fault.status, "SimulatedFault", "This failure was asked for.");
    if (this.engine.isFull) throw new ApiError(503, "ServiceUnavailableError", "Too many requests wait.");
    const { engine } = this;
    const start = (): void => {
      if (response.destroyed) return;
      const answerBody = new AnswerBody(response, fault);
      generate(generation, { engine, settings: this.#settings, response, body: answerBody, requestId });
    };
    if (fault.kind === "slow-headers") this.#settings.clock.setTimeout(start, fault.delayMs);
    else start();
  }

  /** The client's own id, as vLLM takes it over, or name and number. */
  #nameRequest(request: IncomingMessage): string {
    this.#requestCount++;
    const given = request.headers["x-request-id"];
    return typeof given === "string" ? given : `${this.#settings.name}-${this.#requestCount}`;
  }
}

type Route =
  | { readonly method: "POST"; readonly kind: "generation"; readonly api: GenerationApi }
  | { readonly method: "GET"; readonly kind: "models" | "metrics" | "version" | "health" };

const ROUTES: Readonly<Record<string, Route>> = {
  "/v1/chat/completions": { method: "POST", kind: "generation", api: "chat" },
  "/v1/completions": { method: "POST", kind: "generation", api: "completions" },
  "/v1/models": { method: "GET", kind: "models" },
  "/metrics": { method: "GET", kind: "metrics" },
  "/version": { method: "GET", kind: "version" },
  "/health": { method: "GET", kind: "health" },
};

function answerJson(response: ServerResponse, status: number, body: unknown): void {
  answer(response, status, "application/json", JSON.stringify(body));
}

function answer(response: ServerResponse, status: number, contentType: string, text: string): void {
  const bytes = Buffer.from(text);
  response.writeHead(status, { "content-type": contentType, "content-length": bytes.length });
  response.end(bytes);
}
