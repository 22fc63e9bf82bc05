import { afterEach, expect, it } from "vitest";
import { layout } from "../../src/wasm/layout.ts";
import { closeEpps, startTestEpp } from "../support/epp.ts";
import { bodyMessages, chatBody, requestHeaders } from "../support/ext-proc-messages.ts";
import { connectRaw, frames } from "../support/raw-ext-proc.ts";
import { until } from "../support/until.ts";
afterEach(closeEpps);
it("resets", async () => {
  const epp = await startTestEpp([{ name: "a", port: 1 }]);
  const c = await connectRaw(epp.grpcPort);
  let closed = false;
  void c.closed.then(() => { closed = true; });
  c.session.on("goaway", (code, last) => console.log("goaway", code, last));
  const keep = c.open(); keep.read();
  keep.write(frames(requestHeaders()));
  const t = Date.now();
  for (let i = 0; i < 2000; i++) {
    const s = c.open(); s.read();
    s.write(frames(requestHeaders(), ...bodyMessages("requestBody", chatBody("hello")).slice(0, 1)));
    await new Promise((r) => setImmediate(r));
    s.reset();
    if (closed) { console.log("closed at", i); break; }
    await s.ended;
  }
  console.log("ms", Date.now() - t);
  await until("closed or idle", () => closed || epp.counters.shards(layout.SHARD_COUNTER_STREAMS_OPENED) - epp.counters.shards(layout.SHARD_COUNTER_STREAMS_CLOSED) <= 1);
  console.log(closed, epp.counters.shards(layout.SHARD_COUNTER_STREAMS_OPENED), epp.counters.shards(layout.SHARD_COUNTER_STREAMS_CLOSED));
});
