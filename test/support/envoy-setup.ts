/** Before the end-to-end tests: there is an Envoy, or a sentence that says how to get one. */
import { ENVOY_VERSION, findEnvoy, HOW_TO_GET_ENVOY } from "./envoy.ts";

export function setup(): void {
  const envoy = findEnvoy();
  if (envoy === undefined) throw new Error(HOW_TO_GET_ENVOY);
  const note = envoy.version === ENVOY_VERSION ? "" : `; the tests are written against ${ENVOY_VERSION}`;
  console.log(`Envoy ${envoy.version} at ${envoy.path}${note}`);
}
