import { describe, expect, test } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { expectedScan } from "../../support/json-scan-oracle.ts";
import { KERNEL_BUILDS, type TestKernel, testKernel } from "../../support/kernel.ts";
import {
  BLOCK_SIZE,
  beginScan,
  CHAT,
  COMPLETIONS,
  hexIds,
  idsOf,
  type ScanOptions,
  scanFacts,
  scanInSteps,
  scanPiece,
  scanPieces,
} from "../../support/scan.ts";
import { blockIds } from "../../support/xxh64.ts";

const { SCAN_CUT, SCAN_DONE, SCAN_MORE, SCAN_NOT_JSON } = layout;

describe.each(KERNEL_BUILDS)("json scan, %s build", (build) => {
  const kernel = testKernel(build);

  describe("finds the fields of a body", () => {
    test("a plain chat request gives model, flags, cap, message count and prompt ids", () => {
      const body = {
        model: "llama",
        stream: true,
        max_tokens: 32,
        messages: [
          { role: "system", content: "Be brief." },
          { role: "user", content: "Why? ".repeat(40) },
        ],
      };
      expect(scanText(JSON.stringify(body))).toBe(SCAN_DONE);
      const prompt = `systemBe brief.user${"Why? ".repeat(40)}`;
      expect(scanFacts(kernel)).toEqual({
        model: "llama",
        modelSpan: [10, 15],
        salt: "",
        isStream: true,
        outputCap: 32,
        messageCount: 2,
        hasPrompt: true,
        hasTools: false,
        promptSize: prompt.length,
        tools: [],
        prompt: idsOf(prompt),
      });
    });

    test.each([
      ["fields in another order", `{"messages":[{"content":"c","role":"r"}],"model":"m"}`, "cr"],
      ["a key that is escaped", `{"mess\\u0061ges":[{"r\\u006fle":"a","content":"b"}]}`, "ab"],
      ["white space everywhere", ` {\t"messages" :\r\n[ { "role" : "a" , "content" : "b" } ] }\n`, "ab"],
      ["a message without content", `{"messages":[{"role":"assistant","content":null}]}`, "assistant"],
      [
        "fields of a message that do not count",
        `{"messages":[{"name":"n","role":"a","tool_calls":[{"id":"x"}]}]}`,
        "a",
      ],
      ["content of parts", `{"messages":[{"content":[{"type":"text","text":"one"},{"text":"two"}]}]}`, "onetwo"],
      ["a part's nested text", `{"messages":[{"content":[{"extra":{"text":"no"},"text":"yes"}]}]}`, "yes"],
      ["a content of parts inside a part", `{"messages":[{"content":[[{"text":"no"}]]}]}`, ""],
      ["messages further down", `{"extra":{"messages":[{"content":"no"}]},"messages":[{"content":"yes"}]}`, "yes"],
      ["a messages that comes twice", `{"messages":[{"content":"no"},{}],"messages":[{"content":"yes"}]}`, "yes"],
      ["a messages that comes twice, then as null", `{"messages":[{"content":"no"}],"messages":null}`, ""],
    ])("%s", (_, body, prompt) => {
      expect(scanText(body)).toBe(SCAN_DONE);
      expect(scanFacts(kernel).prompt).toEqual(idsOf(prompt));
      expect(scanFacts(kernel).promptSize).toBe(prompt.length);
    });

    test.each([
      ["[]", 0, false],
      ["null", 0, false],
      ["[{}]", 1, true],
      [`[{},"text",3,null,[]]`, 5, true],
      [`[{"content":[{},{}]},{}]`, 2, true],
    ])("messages %s count %d", (messages, messageCount, hasPrompt) => {
      expect(scanText(`{"messages":${messages}}`)).toBe(SCAN_DONE);
      expect(scanFacts(kernel)).toMatchObject({ messageCount, hasPrompt });
    });

    test.each([
      [`"Once upon"`, "Once upon"],
      [`["Once"]`, "Once"],
      [`["Once",{"text":"no"},null]`, "Once"],
      [`[65,66,4294967295]`, "A\0\0\0B\0\0\0\xff\xff\xff\xff"],
      [`[[1,2]]`, "\x01\0\0\0\x02\0\0\0"],
      [`[ 1 ,2, 3,  4]`, "\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0"],
      ["[4294967296,99999999999999999999]", "\xff\xff\xff\xff\xff\xff\xff\xff"],
      ["[-1,1.5,1e2,0,-0,7]", "\0\0\0\0\x07\0\0\0"],
      [`""`, ""],
      ["[]", ""],
      [`[""]`, ""],
      ["[[]]", ""],
      ["null", ""],
    ])("completion prompt %s", (prompt, bytes) => {
      expect(scanText(`{"prompt":${prompt},"messages":7,"tools":[1]}`, { api: COMPLETIONS })).toBe(SCAN_DONE);
      const canonical = Buffer.from(bytes, "latin1");
      expect(scanFacts(kernel)).toMatchObject({
        hasPrompt: canonical.length > 0,
        promptSize: canonical.length,
        prompt: hexIds(blockIds(canonical, BLOCK_SIZE)),
        hasTools: false,
        messageCount: 0,
      });
    });

    test.each([
      [
        `[ { "type" : "function" , "a" : [ 1.50 , -0e3 , true , null ] } ]`,
        `[{"type":"function","a":[1.50,-0e3,true,null]}]`,
      ],
      [`["a\\nb\\u00e9\\"\\/"]`, `["a\nb\u00e9"/"]`],
      [`{"b":1,"a":2,"b":3}`, `{"b":1,"a":2,"b":3}`],
      [`{"model":"inner","messages":[{"role":"x"}]}`, `{"model":"inner","messages":[{"role":"x"}]}`],
      ["[]", "[]"],
      ["false", "false"],
      [`"text"`, `"text"`],
      ["17", "17"],
    ])("tools %s are canonical", (tools, canonical) => {
      expect(scanText(`{"tools":${tools},"messages":[{"role":"r"}]}`)).toBe(SCAN_DONE);
      expect(scanFacts(kernel)).toMatchObject({
        hasTools: true,
        tools: idsOf(canonical),
        prompt: idsOf("r"),
        messageCount: 1,
      });
    });

    test("tools that are null are absent, also after others", () => {
      expect(scanText(`{"tools":[1],"tools":null}`)).toBe(SCAN_DONE);
      expect(scanFacts(kernel)).toMatchObject({ hasTools: false, tools: [], promptSize: 0 });
    });

    test.each([
      [`"max_tokens":7`, 7],
      [`"max_tokens":7,"max_completion_tokens":9`, 9],
      [`"max_completion_tokens":9,"max_tokens":7`, 9],
      [`"max_completion_tokens":0,"max_tokens":7`, 0],
      [`"max_completion_tokens":null,"max_tokens":7`, 7],
      [`"max_completion_tokens":9,"max_tokens":7,"max_completion_tokens":null`, 7],
      [`"max_tokens":7,"max_tokens":8`, 8],
      [`"max_tokens":7,"max_tokens":[]`, undefined],
      [`"max_tokens":4294967295`, 4294967295],
      [`"max_tokens":4294967296`, 4294967295],
      [`"max_tokens":123456789012345678901234567890`, 4294967295],
      [`"max_tokens":-7`, undefined],
      [`"max_tokens":7.0`, undefined],
      [`"max_tokens":7e0`, undefined],
      [`"max_tokens":"7"`, undefined],
      [`"max_tokens":{"max_tokens":7}`, undefined],
    ])("of %s the output cap is %s", (fields, outputCap) => {
      expect(scanText(`{${fields}}`)).toBe(SCAN_DONE);
      expect(scanFacts(kernel).outputCap).toBe(outputCap);
    });

    test("max_completion_tokens is no field of completions", () => {
      expect(scanText(`{"max_completion_tokens":9,"max_tokens":7}`, { api: COMPLETIONS })).toBe(SCAN_DONE);
      expect(scanFacts(kernel).outputCap).toBe(7);
    });

    test.each([
      ["true", true],
      ["false", false],
      ["null", false],
      [`"true"`, false],
      [`true,"stream":false`, false],
      [`false,"stream":true`, true],
      [`true,"stream":{"stream":true}`, false],
    ])("stream %s", (stream, isStream) => {
      expect(scanText(`{"stream":${stream}}`)).toBe(SCAN_DONE);
      expect(scanFacts(kernel).isStream).toBe(isStream);
    });

    test.each([
      [`"model":"a/b"`, "a/b", "a/b"],
      [`"model":"a\\/b\\u00e9\\n"`, "a/bé\n", "a\\/b\\u00e9\\n"],
      [`"model":""`, "", ""],
      [`"model":"first","model":"second"`, "second", "second"],
      [`"model":"first","model":null`, undefined, undefined],
      [`"model":null`, undefined, undefined],
      [`"m\\u006fdel":"x"`, "x", "x"],
      [`"é":"ü","model":"naïve"`, "naïve", "naïve"],
      [`"extra":{"model":"no"}`, undefined, undefined],
    ])("of %s the model is %j, and its span holds the raw text", (fields, model, raw) => {
      const body = Buffer.from(`{ ${fields} }`);
      expect(scanPieces(kernel, body)).toBe(SCAN_DONE);
      const facts = scanFacts(kernel);
      expect(facts.model).toBe(model);
      expect(facts.modelSpan && body.subarray(...facts.modelSpan).toString()).toBe(raw);
    });

    test("the cache salt is unescaped, and the last one wins", () => {
      expect(scanText(`{"cache_salt":"x","cache_salt":"t\\u00e9nant"}`)).toBe(SCAN_DONE);
      expect(scanFacts(kernel).salt).toBe("ténant");
    });

    test.each([
      ["exactly KEY_SIZE_MAX", "k".repeat(layout.KEY_SIZE_MAX)],
      ["longer than KEY_SIZE_MAX", `model${"k".repeat(500)}`],
      ["as long as KEY_SIZE_MAX in escapes", "\\u0061".repeat(layout.KEY_SIZE_MAX + 1)],
      ["with a zero byte after a known name", "model\\u0000"],
      ["a known name's beginning", "mode"],
      ["a known name with one byte more", "models"],
      ["in capitals", "MODEL"],
      ["empty", ""],
    ])("an unknown key, %s, is skipped", (_, key) => {
      expect(scanText(`{"${key}":"no","cache_salt":"yes"}`)).toBe(SCAN_DONE);
      expect(scanFacts(kernel)).toMatchObject({ model: undefined, salt: "yes" });
    });

    test("a body of an unknown API gives the fields that all share", () => {
      expect(scanText(`{"model":"m","messages":[{"content":"c"}],"prompt":"p"}`, { api: 0 })).toBe(SCAN_DONE);
      expect(scanFacts(kernel)).toMatchObject({ model: "m", hasPrompt: false, promptSize: 0 });
    });
  });

  function scanText(text: string, options?: ScanOptions, step?: number): number {
    return scanInSteps(kernel, Buffer.from(text), { ...options, ...(step !== undefined && { step }) });
  }
});

describe.each(KERNEL_BUILDS)("json scan over several windows, %s build", (build) => {
  test("bodies that arrive byte by byte in turns do not disturb each other", () => {
    const kernel: TestKernel = testKernel(build);
    const bodies = [
      [`{"model":"one","messages":[{"role":"user","content":"${"a\\n".repeat(60)}"}]}`, CHAT],
      [
        `{"prompt":[${Array.from({ length: 90 }, (_, index) => index * 77).join(", ")}],"model":"tw\\u006f"}`,
        COMPLETIONS,
      ],
      [`{"tools":[{"a" : "\\ud83d\\ude00"}],"messages":[{"content":"${"é".repeat(99)}"}],"cache_salt":"s"}`, CHAT],
      [`{"model":"four","messages":[{"content":"unfinished`, CHAT],
      [`{"model":"five" "messages":[]}`, CHAT],
    ] as const;
    const sources = bodies.map(([text]) => Buffer.from(text));
    bodies.forEach(([, api], window) => beginScan(kernel, { api, window }));
    const results = bodies.map(() => SCAN_MORE);
    for (let at = 0; at < Math.max(...sources.map((source) => source.length)); at++) {
      sources.forEach((source, window) => {
        if (at < source.length) {
          results[window] = scanPiece(kernel, source.subarray(at, at + 1), at === source.length - 1, { window });
        }
      });
    }
    expect(results).toEqual([SCAN_DONE, SCAN_DONE, SCAN_DONE, SCAN_CUT, SCAN_NOT_JSON]);
    for (const window of [0, 1, 2]) {
      const [, api] = bodies[window] as (typeof bodies)[number];
      const expected = expectedScan(sources[window] as Buffer, api, BLOCK_SIZE);
      expect({ result: SCAN_DONE, facts: scanFacts(kernel, window) }).toEqual(expected);
    }
  });
});
