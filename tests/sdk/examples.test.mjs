// Each example of the SDK runs as it stands.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { assertBalanced, Gate, OpenAiUpstream, Stack } from "./support.mjs";

const kExamples = fileURLToPath(new URL("../../api/sdk/typescript/examples", import.meta.url));
const kTimeoutMs = 60_000;
let stack;
let upstream;
let gate;
let folder;
let readyFile;

before(async () => {
  stack = await Stack.start();
  upstream = await OpenAiUpstream.start();
  gate = await Gate.start({ service: stack.ready.stream, upstream: upstream.url });
  folder = mkdtempSync(join(tmpdir(), "millrace-examples-"));
  readyFile = join(folder, "ready.json");
  writeFileSync(readyFile, `${JSON.stringify(stack.ready)}\n`);
});

after(async () => {
  await gate?.stop();
  await upstream?.stop();
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const run = (name, ...args) =>
  new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [join(kExamples, name), readyFile, ...args],
      { timeout: kTimeoutMs },
      (error, out, err) => {
        if (error) reject(new Error(`${name}: ${error.message}\n${out}\n${err}`));
        else resolve(out);
      },
    );
  });

const chat = () => `${gate.url}/v1/chat/completions`;
const examples = {
  "pay.mjs": [
    () => [],
    /paid +0\.001200[^]*charged +0\.001200 of 0\.005000[^]*proven[^]*claimed +0\.002400[^]*refunded +0\.997600/,
  ],
  "agent.mjs": [() => [], /step 1 +0\.001000[^]*step 5[^]*stopped[^]*refunded/],
  "fetch.mjs": [() => [chat()], /answer +word word[^]*cost +0\.0000\d\d[^]*refunded/],
  "stream.mjs": [() => [chat()], /answer +word0 word1[^]*cost +0\.0000\d\d/],
  "mcp_agent.mjs": [() => [], /tool +count_words[^]*call +6 words[^]*0\.000600[^]*stopped[^]*refunded/],
};

for (const [name, [args, said]] of Object.entries(examples)) {
  test(`example ${name}`, async () => {
    assert.match(await run(name, ...args()), said);
  });
}

test("example fetch.mjs says what it got where that is no answer", async () => {
  await assert.rejects(run("fetch.mjs", `${gate.url}/nothing`), /\/nothing: 404 .*not served here/);
});

test("every example is run, and the books balance", async () => {
  const parts = ["development.mjs", "mcp_server.mjs"];
  const there = readdirSync(kExamples).filter((name) => !parts.includes(name));
  assert.deepEqual(there.sort(), Object.keys(examples).sort());
  await assertBalanced(stack.ready);
});

test("an example says what it needs", async () => {
  await assert.rejects(
    new Promise((_, reject) =>
      execFile(process.execPath, [join(kExamples, "pay.mjs")], (error) => reject(error)),
    ),
    /usage: node/,
  );
});
