/** The engine families that are known without configuration. */
import type { EngineMetrics } from "../../framework/data-sources.ts";
import { sglang } from "./sglang.ts";
import { triton } from "./triton.ts";
import { tritonTensorrtLlm } from "./triton-tensorrt-llm.ts";
import { trtllmServe } from "./trtllm-serve.ts";
import { vllm } from "./vllm.ts";

export const BUILTIN_ENGINES: readonly EngineMetrics[] = [vllm, sglang, trtllmServe, tritonTensorrtLlm, triton];

/** The engine of an endpoint that does not say which it runs. */
export const DEFAULT_ENGINE = "vllm";

/** Labels of an endpoint that say so; the second is the older name. */
export const ENGINE_LABEL_KEY = "llm-d.ai/engine-type";
export const ENGINE_LABEL_KEY_FALLBACK = "inference.networking.k8s.io/engine-type";
