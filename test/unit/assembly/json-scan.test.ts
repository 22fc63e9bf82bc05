import { describe, expect, test } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { expectedScan } from "../../support/json-scan-oracle.ts";
import { KERNEL_BUILDS, type TestKernel, testKernel } from "../../support/kernel.ts";
import {
  BLOCK_SIZE,
  beginScan,
  CHAT,
  COMPLETIONS,
  partIds,
  type ScanOptions,
  scanFacts,
  scanPiece,
  scanPieces,
  windowField,
} from "../../support/scan.ts";
import { blockIds } from "../../support/xxh64.ts";

const { SCAN_CUT, SCAN_DONE, SCAN_MORE, SCAN_NOT_JSON, SCAN_TOO_DEEP, SCAN_WRONG_TYPE } = layout;

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
      ["an image", `{"messages":[{"content":[{"image_url":{"detail":"low","url":"http://i"}}]}]}`, "http://i"],
      ["a video", `{"messages":[{"content":[{"video_url":{"url":"http://v"}}]}]}`, "http://v"],
      ["an audio link", `{"messages":[{"content":[{"audio_url":{"url":"http://a"}}]}]}`, "http://a"],
      ["input audio", `{"messages":[{"content":[{"input_audio":{"data":"QUJD","format":"wav"}}]}]}`, "QUJD"],
      ["an image that is a string", `{"messages":[{"content":[{"image_url":"http://i"}]}]}`, ""],
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
      [`["Once"," upon"]`, "Once upon"],
      [`["Once",{"text":"no"},null," upon"]`, "Once upon"],
      [`[65,66,4294967295]`, "A\0\0\0B\0\0\0\xff\xff\xff\xff"],
      [`[[1,2],[3]]`, "\x01\0\0\0\x02\0\0\0\x03\0\0\0"],
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
        prompt: hex(blockIds(canonical, BLOCK_SIZE)),
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

  describe("makes block ids", () => {
    test.each([0, 1, 63, 64, 65, 127, 128, 1000])(
      "of a prompt of %d bytes, the partial last block included",
      (size) => {
        const prompt = "abcdefghijklmnopqrstuvwxyz".repeat(40).slice(0, size);
        expect(scanText(`{"prompt":"${prompt}"}`, { api: COMPLETIONS })).toBe(SCAN_DONE);
        expect(scanFacts(kernel).prompt).toEqual(idsOf(prompt));
      },
    );

    test.each([64, 68, 100, 256, 4096])("with blocks of %d bytes, however the body is cut", (blockSize) => {
      const prompt = Array.from({ length: 2000 }, (_, index) => `word${index} `).join("");
      const body = Buffer.from(JSON.stringify({ messages: [{ content: prompt }] }));
      for (const step of [1000, 4096, 65536]) {
        const cuts = Array.from({ length: Math.ceil(body.length / step) - 1 }, (_, index) => (index + 1) * step);
        expect(scanPieces(kernel, body, cuts, { blockSize })).toBe(SCAN_DONE);
        expect(scanFacts(kernel).prompt).toEqual(hex(blockIds(Buffer.from(prompt), blockSize)));
      }
    });

    test("parts are cut into blocks separately", () => {
      const tools = `["${"t".repeat(100)}"]`;
      const content = "c".repeat(100);
      expect(scanText(`{"messages":[{"content":"${content}"}],"tools":${tools}}`)).toBe(SCAN_DONE);
      expect(scanFacts(kernel)).toMatchObject({ tools: idsOf(tools), prompt: idsOf(content), promptSize: 204 });
    });

    test("a part that comes again leaves its first ids unused and its size uncounted", () => {
      const first = "a".repeat(200);
      const second = "b".repeat(100);
      const body = `{"messages":[{"content":"${first}"}],"tools":[],"messages":[{"content":"${second}"}]}`;
      expect(scanText(body)).toBe(SCAN_DONE);
      expect(scanFacts(kernel)).toMatchObject({ prompt: idsOf(second), tools: idsOf("[]"), promptSize: 102 });
      expect(windowField(kernel, layout.WINDOW_ID_COUNT)).toBe(4 + 1 + 2);
    });

    test("blocks beyond BLOCKS_MAX are counted, not hashed, and what lies behind the ids stays untouched", () => {
      const blocks = layout.BLOCKS_MAX + 10;
      const prompt = "0123456789abcdef".repeat((blocks * BLOCK_SIZE) / 16 - 1);
      const body = Buffer.from(`{"prompt":"${prompt}","max_tokens":5}`);
      const behind = kernel.windowBase(0, 0) + layout.WINDOW_IDS + layout.BLOCKS_MAX * 8;
      kernel.bytes.fill(0xcc, behind, behind + 64);
      expect(scanPieces(kernel, body, [50_000, 100_000], { api: COMPLETIONS })).toBe(SCAN_DONE);
      expect(windowField(kernel, layout.WINDOW_ID_COUNT)).toBe(layout.BLOCKS_MAX);
      expect(windowField(kernel, layout.WINDOW_BLOCKS_BEYOND)).toBe(10);
      expect(scanFacts(kernel)).toMatchObject({ promptSize: prompt.length, outputCap: 5, hasPrompt: true });
      expect(partIds(kernel, layout.PART_PROMPT).at(-1)).toBe(idsOf(prompt.slice(0, BLOCK_SIZE))[0]);
      expect(kernel.bytes.subarray(behind, behind + 64)).toEqual(new Uint8Array(64).fill(0xcc));
    });

    test("dropping a part takes its blocks beyond BLOCKS_MAX back", () => {
      const long = "x".repeat(BLOCK_SIZE * (layout.BLOCKS_MAX + 3) + 1);
      const body = Buffer.from(`{"messages":[{"content":"${long}"}],"messages":[{"content":"y"}]}`);
      expect(scanPieces(kernel, body, [60_000, 120_000])).toBe(SCAN_DONE);
      expect(windowField(kernel, layout.WINDOW_BLOCKS_BEYOND)).toBe(1);
      expect(scanFacts(kernel)).toMatchObject({ prompt: [], promptSize: 1, hasPrompt: true });
    });

    test("a chunk full of one-digit token ids, each twice its size, fits the staging area", () => {
      const count = layout.CHUNK_SIZE_MAX;
      const opening = `{"prompt":[1`;
      const body = Buffer.from(`${opening}${",1".repeat(count)}]}`);
      const behind = kernel.shardBase(0) + layout.SHARD_STAGING + layout.STAGING_SIZE;
      kernel.bytes.fill(0xcc, behind, behind + 16);
      const cuts = [opening.length, opening.length + layout.CHUNK_SIZE_MAX, opening.length + 2 * layout.CHUNK_SIZE_MAX];
      expect(scanPieces(kernel, body, cuts, { api: COMPLETIONS, blockSize: 4096 })).toBe(SCAN_DONE);
      const ids = Buffer.from(Uint32Array.from({ length: count + 1 }, () => 1).buffer);
      expect(scanFacts(kernel).prompt).toEqual(hex(blockIds(ids, 4096)));
      expect(kernel.bytes.subarray(behind, behind + 16)).toEqual(new Uint8Array(16).fill(0xcc));
    });
  });

  describe("unescapes text", () => {
    test.each([
      ["simple escapes", `\\"\\\\\\/\\b\\f\\n\\r\\t`, `"\\/\b\f\n\r\t`],
      ["escapes of one to three bytes", `\\u0041\\u00e9\\u20AC\\uffff\\u0000`, "Aé€\uffff\0"],
      ["a surrogate pair", `\\ud83d\\ude00`, "😀"],
      ["the first and the last pair", `\\ud800\\udc00\\udbff\\udfff`, "\u{10000}\u{10ffff}"],
      ["a lone high surrogate", `a\\ud83db`, "a\ufffdb"],
      ["a lone low surrogate", `a\\ude00b`, "a\ufffdb"],
      ["a high surrogate before another escape", `\\ud83d\\n`, "\ufffd\n"],
      ["a high surrogate before a plain unit", `\\ud83d\\u0041`, "\ufffdA"],
      ["a high surrogate before text that looks like a low one", `\\ud83d..de00`, "\ufffd..de00"],
      ["two high surrogates and a low one", `\\ud83d\\ud83d\\ude00`, "\ufffd😀"],
      ["a swapped pair", `\\ude00\\ud83d`, "\ufffd\ufffd"],
      ["raw characters of every size", "Aé€😀", "Aé€😀"],
      ["a long run of three-byte units", "\\u65e5\\u672c\\u8a9e".repeat(30), "日本語".repeat(30)],
    ])("%s", (_, raw, text) => {
      // Short and long text around it: the escape stands within and beyond the first 16 bytes, and near the chunk's
      // end.
      for (const around of ["", "x".repeat(15), "y".repeat(40)]) {
        const body = `{"messages":[{"content":"${around}${raw}${around}"}]}`;
        expect(scanText(body)).toBe(SCAN_DONE);
        expect(scanFacts(kernel).prompt).toEqual(idsOf(around + text + around));
      }
    });

    test("a lone surrogate at the end of one string does not pair with the next string's", () => {
      expect(scanText(`{"messages":[{"role":"\\ud83d","content":"\\ude00"}]}`)).toBe(SCAN_DONE);
      expect(scanFacts(kernel).prompt).toEqual(idsOf("\ufffd\ufffd"));
    });

    test("bytes that are no UTF-8 pass as they are", () => {
      const bytes = Buffer.from([0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80]);
      const body = Buffer.concat([Buffer.from(`{"prompt":"`), bytes, Buffer.from(`"}`)]);
      expect(scanPieces(kernel, body, [], { api: COMPLETIONS })).toBe(SCAN_DONE);
      expect(scanFacts(kernel).prompt).toEqual(hex(blockIds(bytes, BLOCK_SIZE)));
    });
  });

  describe("refuses what is no request", () => {
    test.each([
      ["", 0],
      ["   ", 3],
      ["{", 1],
      [`{"model"`, 8],
      [`{"model":"x`, 11],
      [`{"model":"x\\`, 12],
      [`{"model":"x\\u12`, 15],
      [`{"a":tru`, 8],
      [`{"a":1`, 6],
      [`{"a":-`, 6],
      [`{"a":1}`.slice(0, -1), 6],
      [`{"a":[[]`, 8],
    ])("%j is cut", (body, offset) => {
      expect(refusal(body)).toEqual([SCAN_CUT, offset]);
    });

    test.each([
      [`{"a":1}}`, 7],
      [`{"a":1} x`, 8],
      [`{"a":1},{}`, 7],
      [`{"a" 1}`, 5],
      [`{"a":1 "b":2}`, 7],
      [`{"a":1,}`, 7],
      [`{,}`, 1],
      [`{"a":[1,]}`, 8],
      [`{"a":[,1]}`, 6],
      [`{"a":[1}`, 7],
      [`{"a":1]`, 6],
      [`{a:1}`, 1],
      [`{'a':1}`, 1],
      [`{"a":01}`, 6],
      [`{"a":-}`, 6],
      [`{"a":+1}`, 5],
      [`{"a":.5}`, 5],
      [`{"a":1.}`, 7],
      [`{"a":1.e2}`, 7],
      [`{"a":1e}`, 7],
      [`{"a":1e+}`, 8],
      [`{"a":1e5e5}`, 8],
      [`{"a":1e5.5}`, 8],
      [`{"a":1.5.5}`, 8],
      [`{"a":--1}`, 6],
      [`{"a":1-2}`, 6],
      [`{"a":0x10}`, 6],
      [`{"a":NaN}`, 5],
      [`{"a":nul}`, 8],
      [`{"a":nullx}`, 9],
      [`{"a":truE}`, 8],
      [`{"a":True}`, 5],
      [`{"a":"\\x"}`, 7],
      [`{"a":"\\u12g4"}`, 10],
      [`{"a":"\\u 123"}`, 8],
      [`{"a":"\\ud83d\\u00zz"}`, 16],
      [`{"a":"x\ny"}`, 7],
      [`{"a":"\u0000"}`, 6],
      [`{"a":"${"x".repeat(40)}\u001f"}`, 46],
      [`{"a\u0001":1}`, 3],
      [`{"a":1}\u0000`, 7],
      [`{\u000b"a":1}`, 1],
      [`{"a":1}\u00a0`, 7],
      [`\ufeff{"a":1}`, 0],
      [`]`, 0],
      [`:`, 0],
      [`{:1}`, 1],
      [`{"a"::1}`, 5],
      [`{"a":{"b"}}`, 9],
      [`{"a":tr\u0000e}`, 7],
      [`{"a":null\u0000}`, 9],
    ])("%j is not JSON", (body, offset) => {
      expect(() => JSON.parse(body), "JSON.parse agrees").toThrow();
      expect(refusal(body)).toEqual([SCAN_NOT_JSON, offset]);
    });

    test.each([
      ["where a token is expected", `{"a":[1@,2]}`],
      ["where a value begins", `{"a":@}`],
      ["where a key begins", `{@}`],
      ["before the body", `@{}`],
      ["after the body", `{}@`],
      ["between token ids", `{"prompt":[1@2]}`],
      ["where a token id begins", `{"prompt":[1,@]}`],
      ["after a token id and a comma", `{"prompt":[1,@,3]}`],
      ["after a token id, a comma and a space", `{"prompt":[1, @2,3]}`],
      ["in a short string", `{"prompt":"a@b"}`],
      ["in a long string", `{"prompt":"${"a".repeat(30)}@${"b".repeat(30)}"}`],
      ["in a key", `{"@":1}`],
      ["after a backslash", `{"prompt":"\\@${"b".repeat(30)}"}`],
      ["as the first hex digit", `{"prompt":"\\u@000${"b".repeat(30)}"}`],
      ["as the last hex digit", `{"prompt":"\\u000@${"b".repeat(30)}"}`],
      ["as a hex digit of a low surrogate", `{"prompt":"\\ud800\\ud@00${"b".repeat(30)}"}`],
      ["in a literal", `{"a":tr@e}`],
      ["in a number", `{"a":1@2}`],
    ])("each of the 128 ASCII characters %s is taken or refused as JSON.parse does", (_, template) => {
      const api = COMPLETIONS;
      for (let code = 0; code < 128; code++) {
        const body = Buffer.from(template.replace("@", () => String.fromCharCode(code)));
        const expected = expectedScan(body, api, BLOCK_SIZE);
        const message = JSON.stringify(body.toString());
        for (const cuts of [[], [body.length - 1], [template.indexOf("@")], [template.indexOf("@") + 1]]) {
          const result = scanPieces(kernel, body, cuts, { api });
          if (expected === "not JSON") expect(result, message).toBeGreaterThan(SCAN_DONE);
          else if (result !== SCAN_DONE) expect({ result }, message).toMatchObject({ result: expected.result });
          else expect({ result, facts: scanFacts(kernel) }, message).toEqual(expected);
        }
      }
    });

    test.each([
      ["[]", 0],
      [` [{"model":"m"}]`, 1],
      [`"text"`, 0],
      ["12", 0],
      ["-1", 0],
      ["true", 0],
      ["null", 0],
    ])("%s is not an object", (body, offset) => {
      expect(refusal(body)).toEqual([layout.SCAN_NOT_AN_OBJECT, offset]);
    });

    test.each([
      [`{"model":7}`, 9],
      [`{"model":["m"]}`, 9],
      [`{"model":true}`, 9],
      [`{"model":"m","model":{}}`, 21],
      [`{"cache_salt":7}`, 14],
      [`{"messages":{}}`, 12],
      [`{"messages":"hi"}`, 12],
      [`{"messages":7}`, 12],
    ])("%s has a field of a wrong type", (body, offset) => {
      expect(refusal(body)).toEqual([SCAN_WRONG_TYPE, offset]);
    });

    test.each([
      [`{"prompt":7}`, 10],
      [`{"prompt":{}}`, 10],
      [`{"prompt":false}`, 10],
    ])("the completion %s has a prompt of a wrong type", (body, offset) => {
      expect(refusal(body, { api: COMPLETIONS })).toEqual([SCAN_WRONG_TYPE, offset]);
    });

    test.each([
      ["model", layout.MODEL_SIZE_MAX, layout.SCAN_MODEL_TOO_LONG],
      ["cache_salt", layout.SALT_SIZE_MAX, layout.SCAN_SALT_TOO_LONG],
    ])("a %s of %d bytes is taken, one byte more is refused", (key, sizeMax, tooLong) => {
      for (const [raw, size] of [
        ["m", 1],
        ["\\n", 1],
        ["\\u00e9", 2],
      ] as const) {
        const fits = raw.repeat(sizeMax / size);
        expect(scanText(`{"${key}":"${fits}"}`)).toBe(SCAN_DONE);
        // Refused at the opening quote, wherever the body is cut.
        const refused = [tooLong, key.length + 4];
        expect(refusal(`{"${key}":"${fits}m"}`)).toEqual(refused);
        expect(refusal(`{"${key}":"${fits}m"}`, {}, 100)).toEqual(refused);
        expect(refusal(`{"${key}":"${fits}m\u0000`)).toEqual(refused);
        expect(refusal(`{"${key}":"${"h".repeat(200_000)}`, {}, 50_000)).toEqual(refused);
      }
    });

    test("a refusal is repeated by later calls and leaves the offset alone", () => {
      expect(scanText(`{"a":1}}`)).toBe(SCAN_NOT_JSON);
      expect(scanPiece(kernel, Buffer.from(`{"a":1}`), true)).toBe(SCAN_NOT_JSON);
      expect(windowField(kernel, layout.WINDOW_BODY_OFFSET)).toBe(7);
      expect(windowField(kernel, layout.WINDOW_RESULT)).toBe(SCAN_NOT_JSON);
    });

    test("a refusal comes with the piece that holds the byte, not later", () => {
      beginScan(kernel, {});
      expect(scanPiece(kernel, Buffer.from(`{"a":`), false)).toBe(SCAN_MORE);
      expect(scanPiece(kernel, Buffer.from(`oops`), false)).toBe(SCAN_NOT_JSON);
      expect(windowField(kernel, layout.WINDOW_BODY_OFFSET)).toBe(5);
    });

    test("a complete body is done only with its last piece", () => {
      beginScan(kernel, {});
      expect(scanPiece(kernel, Buffer.from(`{"model":"m"}`), false)).toBe(SCAN_MORE);
      expect(scanPiece(kernel, Buffer.from(` `), false)).toBe(SCAN_MORE);
      expect(scanPiece(kernel, Buffer.from(``), true)).toBe(SCAN_DONE);
      expect(windowField(kernel, layout.WINDOW_BODY_OFFSET)).toBe(14);
    });

    test("a chunk longer than CHUNK_SIZE_MAX and a block size out of range are programmer errors: they trap", () => {
      beginScan(kernel, {});
      expect(() => kernel.kernel.scanBody(0, 0, layout.CHUNK_SIZE_MAX + 1, 1)).toThrow("unreachable");
      for (const blockSize of [0, 60, 66, layout.BLOCK_SIZE_MAX + 4]) {
        expect(() => beginScan(kernel, { blockSize }), `block size ${blockSize}`).toThrow("unreachable");
      }
    });

    test("a window is as new after scanBegin, whatever it held", () => {
      expect(
        scanText(
          `{"model":"m","stream":true,"tools":[1],"messages":[{"content":"c"}],"cache_salt":"s","max_tokens":1}x`,
        ),
      ).toBe(SCAN_NOT_JSON);
      expect(scanText(`{}`)).toBe(SCAN_DONE);
      expect({ result: SCAN_DONE, facts: scanFacts(kernel) }).toEqual(
        expectedScan(Buffer.from("{}"), CHAT, BLOCK_SIZE),
      );
    });
  });

  describe("bounds the depth", () => {
    const nested = (depth: number, open: string, close: string): string => {
      const inner = depth - 1;
      return `{"a":${open.repeat(inner)}1${close.repeat(inner)}}`;
    };

    test.each([
      ["arrays", "[", "]"],
      ["objects", `{"a":`, "}"],
    ])("%s may be nested to JSON_DEPTH_MAX and no deeper", (_, open, close) => {
      const deepest = nested(layout.JSON_DEPTH_MAX, open, close);
      expect(scanText(deepest)).toBe(SCAN_DONE);
      expect(scanText(deepest, {}, 97)).toBe(SCAN_DONE);
      const tooDeep = nested(layout.JSON_DEPTH_MAX + 1, open, close);
      expect(refusal(tooDeep)).toEqual([SCAN_TOO_DEEP, 5 + (layout.JSON_DEPTH_MAX - 1) * open.length]);
      expect(scanText(nested(100_000, open, close), {}, 50_000)).toBe(SCAN_TOO_DEEP);
      expect(scanText(`{"a":${open.repeat(100_000)}`, {}, 50_000)).toBe(SCAN_TOO_DEEP);
    });

    test("brackets must match at every depth", () => {
      const depth = 100;
      const mixed = Array.from({ length: depth }, (_, index) => (index % 3 === 0 ? "[" : `{"k":`));
      const closes = mixed.map((open) => (open === "[" ? "]" : "}")).reverse();
      for (let wrong = 0; wrong < depth; wrong++) {
        const swapped = closes.map((close, index) => (index === wrong ? (close === "]" ? "}" : "]") : close));
        expect(scanText(`{"a":${mixed.join("")}1${closes.join("")}}`)).toBe(SCAN_DONE);
        expect(scanText(`{"a":${mixed.join("")}1${swapped.join("")}}`)).toBe(SCAN_NOT_JSON);
      }
    });

    test("fields are found again after deep containers, inside tools too", () => {
      const deep = `${"[".repeat(500)}${"]".repeat(500)}`;
      expect(scanText(`{"x":${deep},"tools":[${deep}],"messages":[{"x":${deep},"content":"c"}],"model":"m"}`)).toBe(
        SCAN_DONE,
      );
      expect(scanFacts(kernel)).toMatchObject({ model: "m", tools: idsOf(`[${deep}]`), prompt: idsOf("c") });
    });
  });

  /** Scans a text in one piece, or in pieces of `step` bytes. */
  function scanText(text: string, options: ScanOptions = {}, step = layout.CHUNK_SIZE_MAX): number {
    const body = Buffer.from(text);
    const cuts = Array.from(
      { length: Math.max(0, Math.ceil(body.length / step) - 1) },
      (_, index) => (index + 1) * step,
    );
    return scanPieces(kernel, body, cuts, options);
  }

  function refusal(text: string, options: ScanOptions = {}, step?: number): [result: number, offset: number] {
    return [scanText(text, options, step), windowField(kernel, layout.WINDOW_BODY_OFFSET)];
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

function idsOf(text: string): string[] {
  return hex(blockIds(Buffer.from(text), BLOCK_SIZE));
}

function hex(ids: readonly bigint[]): string[] {
  return ids.map((id) => id.toString(16).padStart(16, "0"));
}
