import { Agent } from "node:http";
import { afterEach, expect, it } from "vitest";
import { closeBeds, startBed, untilNothingInFlight } from "../support/envoy-bed.ts";
import { beginHttp, readHttp, postChat } from "../support/http-client.ts";
import { CHAT_PATH, chatBody } from "../support/ext-proc-messages.ts";
import { startUpstream } from "../support/upstream.ts";
import { until } from "../support/until.ts";
afterEach(closeBeds);
it("normal and aborted", async () => {
  let hang = false;
  let seen = 0;
  const up = await startUpstream({ [CHAT_PATH]: (q, r) => { q.resume(); seen++; if (!hang) q.on("end", () => r.end("{}")); } });
  const bed = await startBed([{ name: "a", port: up.port }]);
  const all = async () => { const t = await (await fetch(`http://127.0.0.1:${bed.envoy.adminPort}/stats?filter=(cluster.picker|ext_proc)`)).text(); return t.split("\n").filter((l) => /: [1-9]/.test(l) && !/P\d|config_reload|membership/.test(l)).join("\n"); };
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 20 }, async () => (await readHttp(await beginHttp(bed.port, { agent, method: "POST", path: CHAT_PATH }, chatBody("hi")).response)).status));
  await untilNothingInFlight(bed);
  console.log("NORMAL 400\n" + await all());
  hang = true;
  for (let k = 0; k < 14; k++) {
    seen = 0;
    const ex = Array.from({ length: 100 }, () => { const e = beginHttp(bed.port, { method: "POST", path: CHAT_PATH }, chatBody("hi")); e.response.catch(() => 0); return e; });
    await until("seen", () => seen === 100).catch((e) => console.log(String(e), seen));
    for (const e of ex) e.request.destroy();
    await untilNothingInFlight(bed);
  }
  console.log("ABORTED\n" + await all());
  console.log((await postChat(bed.port, "x").catch((e) => e)).status);
  agent.destroy();
}, 120000);
