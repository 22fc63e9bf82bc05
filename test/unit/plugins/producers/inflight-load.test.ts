import { describe, expect, it } from "vitest";
import { prefixMatch } from "../../../../src/framework/attributes.ts";
import { inflightLoadProducer } from "../../../../src/plugins/producers/inflight-load.ts";
import { createPlugin } from "../../../support/plugins.ts";

describe("inflight-load-producer", () => {
  it.each([
    { name: "by default prompts alone are charged", given: {}, shape: { outputRatio: 0, outputTokensMax: Infinity } },
    {
      name: "with output, one and a half tokens per prompt token",
      given: { addEstimatedOutputTokens: true },
      shape: { outputRatio: 1.5, outputTokensMax: Infinity },
    },
    {
      name: "with output of a given ratio and bound",
      given: { addEstimatedOutputTokens: true, outputRatio: 0.25, maxEstimatedOutputTokens: 100 },
      shape: { outputRatio: 0.25, outputTokensMax: 100 },
    },
    {
      name: "a ratio alone charges nothing",
      given: { outputRatio: 3, maxEstimatedOutputTokens: 0 },
      shape: { outputRatio: 0, outputTokensMax: 0 },
    },
    {
      name: "what concerns other pickers is accepted",
      given: { syncCrossReplicaState: false },
      shape: { outputRatio: 0, outputTokensMax: Infinity },
    },
  ])("$name", ({ given, shape }) => {
    expect(createPlugin(inflightLoadProducer, given).producer?.inFlightLoad).toEqual(shape);
  });

  it.each([
    { given: { outputRatio: -0.1 }, at: "outputRatio" },
    { given: { maxEstimatedOutputTokens: -1 }, at: "maxEstimatedOutputTokens" },
    { given: { maxEstimatedOutputTokens: 1.5 }, at: "maxEstimatedOutputTokens" },
    { given: { addEstimatedOutputTokens: 1 }, at: "addEstimatedOutputTokens" },
  ])("$given is refused", ({ given, at }) => {
    expect(inflightLoadProducer.parameters.safeParse(given).error?.issues).toMatchObject([{ path: [at] }]);
  });

  it("takes prefix matches from the producer that is named", () => {
    const parsed = inflightLoadProducer.parameters.parse({ prefixMatchInfoProducerName: "hashes" });
    expect(inflightLoadProducer.consumes?.(parsed).optional).toEqual([{ key: prefixMatch, producer: "hashes" }]);
  });
});
