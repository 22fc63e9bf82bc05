/** `docs/proxies.md`: what a picker does not know that looks at no bodies of responses. */
import { LOSSES, METRICS_OF_BODIES } from "../../src/response-losses.ts";
import { code } from "./markdown.ts";

export function responseLossList(): string {
  const metrics = `these metrics stay empty: ${METRICS_OF_BODIES.map(code).join(", ")};`;
  const rest = LOSSES.map((loss, index) => `${loss}${index === LOSSES.length - 1 ? "." : ";"}`);
  return [metrics, ...rest].map((line) => `- ${line}`).join("\n");
}
