import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { Chain } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { OpenAiUpstream } from "./openai_upstream.mjs";
import { kBinary, Stack } from "./stack.mjs";

/** What the gate of these tests asks for. */
export const kPrice = { request: 10n, inputPer1k: 500n, outputPer1k: 2_000n };
export const kOutputTokensMax = 64n;
/** What the ceiling has for the model's template, by default. */
export const kInputTokensExtra = 256;

/** What a call costs, by the rule that config/gate.toml states. */
export function priceOf(input, output) {
  const thousandths = BigInt(input) * kPrice.inputPer1k + BigInt(output) * kPrice.outputPer1k;
  return kPrice.request + (thousandths + 999n) / 1000n;
}

/** What a prompt is taken for where the model server does not say. */
export const estimateOf = (prompt) => Math.floor(prompt.length / 4);

/** `millrace gate` as a child, with a key of its own. */
export class Gate {
  #child;
  #ended;
  #log = [];

  /**
   * @param {{service: string, upstream: string, prices?: string, keys?: string, key?: string, env?: Record<string, string>}} options
   *   keys: more lines of [gate]; key: the gate's own, in place of a new one
   */
  constructor({
    service,
    upstream,
    prices = kPrices,
    keys = "",
    key = generatePrivateKey(),
    env = {},
  }) {
    this.env = env;
    this.directory = mkdtempSync(join(tmpdir(), "millrace-gate-"));
    this.key = key;
    this.account = privateKeyToAccount(key);
    this.keyFile = join(this.directory, "provider.key");
    writeFileSync(this.keyFile, `${key}\n`, { mode: 0o600 });
    this.config = join(this.directory, "gate.toml");
    writeFileSync(
      this.config,
      `[gate]\nlisten = "127.0.0.1:0"\nservice = "${service}"\nupstream = "${upstream}"\n` +
        `key_file = "${this.keyFile}"\n${keys}\n${prices}`,
    );
  }

  static async start(options) {
    const gate = new Gate(options);
    await gate.run();
    return gate;
  }

  /** Starts it, again where it ended, and waits until it takes payments. */
  async run({ untilReady = true } = {}) {
    this.url = undefined;
    this.#ended = undefined;
    this.#child = spawn(kBinary, ["gate", "--config", this.config], {
      env: { ...process.env, ...this.env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    createInterface({ input: this.#child.stderr }).on("line", (line) => {
      if (process.env.MILLRACE_VERBOSE) console.error(line);
      this.#log.push(line);
      this.url ??= /listens on (http:\S+)/.exec(line)?.[1];
    });
    this.#child.once("exit", (code, signal) => {
      this.#ended = `ended (${code ?? signal})`;
    });
    await until(() => this.#look(), Boolean, { what: "the gate's address" });
    if (untilReady) await this.ready();
  }

  #look() {
    if (this.#ended) throw new Error(`the gate ${this.#ended}:\n${this.#log.join("\n")}`);
    return this.url;
  }

  ready() {
    return until(
      () => fetch(`${this.url}/.millrace/readyz`).then(({ status }) => status),
      (status) => status === 200,
      { what: `the gate's readyz (${this.#log.slice(-5).join("; ")})` },
    );
  }

  /** A figure of its own, without labels. */
  async metric(name) {
    const text = await (await fetch(`${this.url}/.millrace/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1]);
  }

  get log() {
    return this.#log.join("\n");
  }

  get pid() {
    return this.#child.pid;
  }

  async kill() {
    this.#child.kill("SIGKILL");
    await once(this.#child, "close");
  }

  async stop() {
    if (!this.#ended) {
      this.#child.kill("SIGTERM");
      const [code] = await once(this.#child, "close");
      assert.equal(code, 0, this.log);
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A gate before a model server, on a stack of its own; `provider` is the receiver's own login. */
export class GateStack {
  static async start() {
    const all = new GateStack();
    try {
      all.stack = await Stack.start();
      all.chain = new Chain(all.stack.ready);
      all.upstream = await OpenAiUpstream.start();
      all.gate = await Gate.start({ service: all.stack.ready.stream, upstream: all.upstream.url });
      all.provider = await Client.login(all.stack.ready.stream, all.gate.account);
    } catch (error) {
      await all.stop();
      throw error;
    }
    return all;
  }

  async stop() {
    await this.gate?.stop();
    await this.provider?.close();
    await this.upstream?.stop();
    await this.stack?.stop();
  }
}

const kPrices = `
[[prices]]
paths = ["/v1/chat/completions"]
request = "${kPrice.request}"
input_per_1k = "${kPrice.inputPer1k}"
output_per_1k = "${kPrice.outputPer1k}"
output_tokens_max = ${kOutputTokensMax}
description = "Chat"

[[prices]]
paths = ["/v1/fixed"]
request = "25"
`;
