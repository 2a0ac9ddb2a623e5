// The README's walk, run as it is written there: the stack, a model server, the gate before it, an
// app that pays by the SDK and by the official client, and the provider's claim. Only the ports are
// others, by the options that the README has for that; and what npm would install is linked from what
// is installed for the tests, which takes no registry and no minute, unless MILLRACE_LONG is set.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { privateKeyToAccount } from "viem/accounts";
import { Chain } from "./chain.mjs";
import { until } from "./client.mjs";
import { kBinary } from "./stack.mjs";

const kRoot = fileURLToPath(new URL("../..", import.meta.url));
const kSdk = "api/sdk/typescript";
const readme = readFileSync(join(kRoot, "README.md"), "utf8");
const env = {
  ...process.env,
  npm_config_prefer_offline: "true",
  npm_config_audit: "false",
  npm_config_fund: "false",
  npm_config_ignore_scripts: "true",
};

/** The fenced blocks below a heading, up to the next one, in their order. */
function blocks(heading) {
  const begin = readme.indexOf(`\n${heading}\n`);
  assert.notEqual(begin, -1, `the README has no ${heading}`);
  const section = readme.slice(begin + heading.length + 2).split(/\n##+ /)[0];
  const found = [...section.matchAll(/^```(\w*)\n([^]*?)^```$/gm)];
  return found.map(([, language, text]) => ({ language, text }));
}

/** A text with others in the place of some of its words, each of which has to be there. */
function changed(text, words) {
  for (const [word, other] of Object.entries(words)) {
    assert.ok(text.includes(word), `the README does not say ${word} any more:\n${text}`);
    text = text.replaceAll(word, other);
  }
  return text;
}

/** What stands in a terminal: a block, run by bash in the clone; ended with all that it started. */
class Terminal {
  said = "";

  constructor(text) {
    this.child = spawn("bash", ["-e", "-c", text], {
      cwd: clone,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream.setEncoding("utf8").on("data", (piece) => {
        if (process.env.MILLRACE_VERBOSE) process.stderr.write(piece);
        this.said += piece;
      });
    this.ended = once(this.child, "exit");
    this.closed = once(this.child, "close");
  }

  /** Waits for a line; what is in its first parentheses. */
  async says(line) {
    const look = () => {
      if (this.child.exitCode !== null) throw new Error(`it has ended:\n${this.said}`);
      return line.exec(this.said);
    };
    return (await until(look, Boolean, { what: `${line}` }))[1];
  }

  /** Waits for its end, which has to be a good one; what it said. */
  async done() {
    const [code] = await this.ended;
    assert.equal(code, 0, this.said);
    return this.said;
  }

  stop() {
    try {
      process.kill(-this.child.pid, "SIGTERM");
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
    return this.closed;
  }
}

const [up] = blocks("## Five minutes");
const walk = blocks("### In front of a model server");
const [model, gate, sdk, sdkSays, install, app, pay, claim] = walk;
const terminals = [];
let folder;
let clone;
let ready;
let chain;
let upstreamUrl;
let gateUrl;
let earned = 0n;

function terminal(text) {
  terminals.unshift(new Terminal(text));
  return terminals[0];
}

function withModules(text, command, installed) {
  if (process.env.MILLRACE_LONG) return text;
  return changed(text, { [command]: `ln -s ${join(installed, "node_modules")} node_modules` });
}

before(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-walk-"));
  clone = join(folder, "millrace");
  mkdirSync(join(clone, "build/dev"), { recursive: true });
  symlinkSync(kBinary, join(clone, "build/dev/millrace"));
  symlinkSync(join(kRoot, "tests"), join(clone, "tests"));
  cpSync(join(kRoot, kSdk), join(clone, kSdk), {
    recursive: true,
    filter: (path) => !["node_modules", "dist"].includes(basename(path)),
  });
});

after(async () => {
  for (const one of terminals) await one.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("walk: the blocks are those that are run here", () => {
  assert.equal(up.language, "sh");
  assert.deepEqual(
    walk.map(({ language }) => language),
    ["sh", "sh", "sh", "", "sh", "js", "sh", "sh"],
  );
});

test("walk: a stack is started, and an app and a provider use it", async () => {
  const ports = "--port 0 --rpc-port 0 --data";
  assert.ok(readme.includes(`./dev up ${ports} DIR`), "the README says how to use other ports");
  const command = `build/dev/millrace dev ${ports} ${join(folder, "stack")}`;
  const said = await terminal(changed(up.text, { "./dev up": command })).done();
  assert.match(said, /claimed +4500 in 0x[0-9a-f]{64}; on chain: \+4500/);
  ready = JSON.parse(readFileSync(join(clone, "ready.json"), "utf8").trim().split("\n").at(-1));
  chain = new Chain(ready);
  env.MILLRACE_URL = ready.url;
});

test("walk: a model server and the gate before it are started", async () => {
  const server = terminal(changed(model.text, { " 11434": " 0" }));
  upstreamUrl = await server.says(/listens on (http:\S+)/);
  const options = `gate --listen 127.0.0.1:0 --service ${ready.stream} --upstream`;
  const words = { "gate --upstream": options, "http://127.0.0.1:11434": upstreamUrl };
  const proxy = terminal(changed(gate.text, words));
  gateUrl = await proxy.says(/listens on (http:\S+)/);
  await proxy.says(/the gate is ready/);
});

test("walk: an app pays with the SDK", async () => {
  const text = changed(sdk.text, { "http://127.0.0.1:8404": gateUrl });
  const said = await terminal(withModules(text, "npm ci", join(kRoot, kSdk))).done();
  assert.ok(said.endsWith(sdkSays.text), `${said}\nis not what the README shows`);
  earned += BigInt(/cost +0\.(\d+)/.exec(said)[1]);
});

test("walk: an app pays with the official client", async () => {
  const [command, names] = /npm install ([^)]+)/.exec(install.text) ?? assert.fail(install.text);
  const { dependencies } = JSON.parse(readFileSync(join(kRoot, "tests/e2e/package.json"), "utf8"));
  for (const name of names.split(" ")) {
    const [, one, version] = /^(.[^@]+)(?:@(.+))?$/.exec(name);
    assert.ok(one in dependencies, `${one} is not what is tested`);
    if (version) assert.equal(version, dependencies[one], `the version of ${one} that is tested`);
  }
  await terminal(withModules(install.text, command, join(kRoot, "tests/e2e"))).done();
  const words = { "http://127.0.0.1:8404": gateUrl, "http://127.0.0.1:8545": ready.rpc };
  const file = /`(\S+\/pay\.mjs)`/.exec(readme)[1];
  assert.ok(pay.text.includes(`node ${file}`), pay.text);
  writeFileSync(join(clone, file), changed(app.text, words));
  const said = await terminal(pay.text).done();
  const found = /^(\d+) (.*)\n(\d+) came back\n$/.exec(said) ?? assert.fail(said);
  const [, status, answer, rest] = found;
  assert.equal(status, "200");
  const { usage } = JSON.parse(answer);
  earned += 100n + BigInt(usage.completion_tokens) * 2n;
  assert.ok(BigInt(rest) > 0n);
});

test("walk: the provider claims what it has earned, and has it on the chain", async () => {
  const key = readFileSync(join(clone, "provider.key"), "utf8").trim();
  const provider = privateKeyToAccount(key).address;
  assert.equal(await chain.tokenBalance(provider), 0n);
  const said = await terminal(claim.text).done();
  assert.match(said, new RegExp(`amount +${earned} base units`));
  assert.equal(await chain.tokenBalance(provider), earned);
});
