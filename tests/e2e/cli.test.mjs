import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { devAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { query } from "./postgres.mjs";
import { kBinary, Stack } from "./stack.mjs";

let stack;
let directory;
let provider;
let channel;

/** Runs `millrace`; never throws. @returns {Promise<{code: number, out: string, err: string}>} */
const millrace = (args, env = {}) =>
  new Promise((resolve) => {
    const environment = { ...process.env, MILLRACE_URL: stack.ready.url, ...env };
    execFile(kBinary, args, { env: environment }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, out, err }),
    );
  });

const asAuditor = (args) => millrace(args, { MILLRACE_TOKEN: stack.ready.auditorToken });

before(async () => {
  stack = await Stack.start();
  directory = mkdtempSync(join(tmpdir(), "millrace-cli-"));
  provider = join(directory, "provider.key");
  const secret = generatePrivateKey();
  writeFileSync(provider, `${secret}\n`, { mode: 0o600 });
  const payer = await Client.login(stack.ready.stream, devAccount(1));
  channel = await payer.open(privateKeyToAccount(secret).address, { deposit: 1_000_000n });
  await payer.pay(channel, { id: "one" }, 250_000n);
  await payer.close();
  // An export from the database waits for nobody.
  await query(stack.ready.postgres, "select 1");
});

after(async () => {
  await stack?.stop();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

test("keys new: a key that only its owner can read, never over another", async () => {
  const file = join(directory, "new.key");
  const { code, out } = await millrace(["keys", "new", "--out", file]);
  assert.equal(code, 0);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const secret = readFileSync(file, "utf8").trim();
  assert.equal(privateKeyToAccount(secret).address, out.trim());
  const again = await millrace(["keys", "new", "--out", file]);
  assert.equal(again.code, 1);
  assert.match(again.err, /cannot be made/);
  assert.equal(readFileSync(file, "utf8").trim(), secret);
  assert.equal((await millrace(["keys", "show", file])).out, out);
  const none = await millrace(["keys", "show", join(directory, "nope.key")]);
  assert.equal(none.code, 2);
  assert.match(none.err, /there is no file .*nope\.key/);
});

test("keys log: a key for tree heads, and what they are checked with", async () => {
  const file = join(directory, "log.key");
  const { code, out } = await millrace(["keys", "log", "--out", file, "--origin", "millrace.example/log"]);
  assert.equal(code, 0);
  assert.match(out, /^millrace\.example\/log\+[0-9a-f]{8}\+A[A-Za-z0-9+/]{43}\n$/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.notEqual((await millrace(["keys", "log", "--out", file, "--origin", "x"])).code, 0);
});

test("audit export and verify: a file, standard input, a part, a table", async () => {
  const config = ["--config", join(stack.data, "millrace.toml")];
  const file = join(directory, "books.ndjson");
  assert.equal((await millrace(["audit", "export", ...config, "--out", file])).code, 0);
  const verified = await millrace(["audit", "verify", file]);
  assert.equal(verified.code, 0, verified.out + verified.err);
  assert.match(verified.out, /Everything holds, from 1 to \d+:/);
  const part = join(directory, "part.ndjson");
  assert.equal((await millrace(["audit", "export", ...config, "--from", "2", "--to", "3", "--out", part])).code, 0);
  assert.equal((await millrace(["audit", "verify", part])).code, 0);
  for (const range of [["--from", "999999"], ["--to", "999999"], ["--from", "3", "--to", "2"]]) {
    const none = await millrace(["audit", "export", ...config, ...range]);
    assert.equal(none.code, 1);
    assert.match(none.err, /numbers go from 1 to \d+, of which \d+ to \d+ is no part/);
  }
  const keyless = { MILLRACE_TRANSPARENCY__KEY_FILE: "/nowhere" };
  const unnamed = await millrace(["audit", "export", ...config], keyless);
  assert.equal(unnamed.code, 0);
  assert.match(unnamed.err, /warning: the log's key is left out: .*\/nowhere/);
  assert.match((await millrace(["audit", "verify", ...config], keyless)).err, /key is left out/);
  const table = await millrace(["audit", "export", ...config, "--format", "csv"]);
  assert.match(table.out, /^seq,leg,at,network,.*\r\n2,0,/);
  writeFileSync(file, readFileSync(file, "utf8").replace('"250000"', '"250001"'));
  const broken = await millrace(["audit", "verify", file]);
  assert.equal(broken.code, 1);
  assert.match(broken.out, /BROKEN: rule channel, seq \d+, channel \(0x/);
  const missing = await millrace(["audit", "verify", join(directory, "none")]);
  assert.match(missing.err, /cannot be read/);
  assert.notEqual(missing.code, 0);
  assert.equal((await millrace(["audit", "verify", file, "--key", "x"])).code, 1);
});

test("channel: list and show, for people and for programs", async () => {
  const list = await asAuditor(["channel", "list"]);
  assert.equal(list.code, 0, list.err);
  assert.match(list.out, new RegExp(`${channel.id} +open +1\\.000000 USDC +0\\.250000 USDC`));
  const json = await millrace(["channel", "list", "--json", "--key", provider]);
  assert.equal(json.code, 0, json.err);
  assert.equal(JSON.parse(json.out).channels[0].channelId, channel.id);
  const shown = await asAuditor(["channel", "show", channel.id, "--payments", "5"]);
  assert.match(shown.out, /charged +0\.250000 USDC/);
  assert.match(shown.out, / pay +one +0\.250000 USDC/);
});

test("claim: a provider gets what is due, once", async () => {
  const claim = await millrace(["claim", "--key", provider, "--wait", "30", "--json"]);
  assert.equal(claim.code, 0, claim.err);
  const { claimId, status, amount } = JSON.parse(claim.out);
  assert.equal(status, "confirmed");
  assert.equal(amount, "250000");
  const shown = await millrace(["claim", "show", claimId, "--key", provider]);
  assert.match(shown.out, /status +confirmed/);
  const list = await millrace(["claim", "list", "--key", provider]);
  assert.equal(list.code, 0, list.err);
  assert.match(list.out, new RegExp(`${claimId} +confirmed +1 +250000`));
  const json = await millrace(["claim", "list", "--key", provider, "--json"]);
  assert.deepEqual(JSON.parse(json.out).quarantine, []);
  const retried = await millrace(["claim", "retry", claimId, "--key", provider]);
  assert.match(retried.err, /Nothing is due/);
  const unknown = await millrace(["claim", "retry", `0x${"1".repeat(64)}`, "--key", provider]);
  assert.equal(unknown.code, 1);
  const again = await millrace(["claim", "--key", provider]);
  assert.equal(again.code, 1);
  assert.match(again.err, /Nothing is due/);
});

test("channel refund: of a part and of all, with the payer's key alone", async () => {
  const file = join(directory, "payer.key");
  const { privateKey } = devAccount(1).getHdKey();
  writeFileSync(file, `0x${Buffer.from(privateKey).toString("hex")}\n`, { mode: 0o600 });
  const by = (key, ...more) => millrace(["channel", "refund", channel.id, "--key", key, ...more]);
  const stranger = await by(provider);
  assert.equal(stranger.code, 1);
  assert.match(stranger.err, /signed by 0x\w{40}, not by --key/);
  const part = await by(file, "--amount", "50000", "--json");
  assert.equal(part.code, 0, part.err);
  assert.equal(JSON.parse(part.out).amount, "50000");
  await until(
    async () => JSON.parse((await asAuditor(["channel", "show", channel.id, "--json"])).out),
    ({ refundNonce }) => refundNonce === "1",
    { what: "the first refund" },
  );
  const rest = await by(file);
  assert.equal(rest.code, 0, rest.err);
  assert.match(rest.out, /amount +700000 base units/);
  await until(
    async () => JSON.parse((await asAuditor(["channel", "show", channel.id, "--json"])).out),
    ({ status, balance }) => status === "closed" && balance === "250000",
    { what: "the channel closed" },
  );
  const again = await by(file);
  assert.equal(again.code, 1);
  assert.match(again.err, /nothing is left in it/);
  assert.doesNotMatch(again.err, /[{}]/);
});

test("audit trial-balance: balanced, now and at a moment", async () => {
  const now = await asAuditor(["audit", "trial-balance"]);
  assert.equal(now.code, 0, now.err);
  assert.match(now.out, /balanced, and every account agrees with its transfers/);
  const then = await asAuditor(["audit", "trial-balance", "--at", "2020-01-01T00:00:00Z", "--json"]);
  assert.equal(JSON.parse(then.out).seq, "0");
});

test("audit reconcile: books, vouchers and chain agree", async () => {
  const found = await asAuditor(["audit", "reconcile"]);
  assert.equal(found.code, 0, found.out + found.err);
  assert.match(found.out, /books, vouchers and chain agree/);
  const json = await asAuditor(["audit", "reconcile", "--vouchers", "--json"]);
  const report = JSON.parse(json.out);
  assert.equal(report.reconciled, true);
  assert.equal(report.networks[0].assets[0].difference, "0");
});

test("config check: what the development stack runs on is good", async () => {
  const { code, out, err } = await millrace(["config", "check", join(stack.data, "millrace.toml")]);
  assert.equal(code, 0, out + err);
});

test("gate: what is wrong on its command line is told of the option", async () => {
  const gate = ["gate", "--key-file", provider, "--price-request", "1", "--check", "--upstream"];
  const good = await millrace([...gate, "http://127.0.0.1:1", "--deposit-min", "5", "--listen", "127.0.0.1:0"]);
  assert.equal(good.code, 0, good.err);
  for (const [args, message] of [
    [["http://127.0.0.1:1", "--listen", "8404"], /millrace: --listen: has to be an IP address and a port/],
    [["http://127.0.0.1:1", "--deposit-min", "1.5"], /--deposit-min: has to be base units/],
    [["http://127.0.0.1:1", "--name", "a b"], /--name: has to be 1 to 24/],
    [["https://127.0.0.1:1"], /--upstream\): has to be the URL/],
    [["http://127.0.0.1:1", "--service", "http://x"], /--service\): has to be the URL/],
    [["http://127.0.0.1:1/v1/"], /asked for \/v1\/v1\/\*: leave \/v1 out of gate\.upstream/],
  ]) {
    const { code, err } = await millrace([...gate, ...args]);
    assert.match(err, message);
    assert.doesNotMatch(err, /MILLRACE_GATE/);
    assert.equal(code, 2);
  }
});

test("errors name the cause and what to do", async () => {
  const cases = [
    [["channel", "list"], {}, 1, /--token or MILLRACE_TOKEN/],
    [["channel", "list", "--url", "http://127.0.0.1:1"], {}, 1, /Is it running/],
    [["channel", "list", "--url", "127.0.0.1"], {}, 1, /is not a URL/],
    [["channel", "list", "--key", "/nowhere"], {}, 2, /\/nowhere/],
    [["channel", "show", "0x12"], { MILLRACE_TOKEN: stack.ready.auditorToken }, 1, /64 hex digits/],
    [["audit", "trial-balance"], { MILLRACE_TOKEN: stack.ready.operatorToken }, 1, /for auditors/],
    [["claim", "--bogus"], {}, 2, /--bogus/],
    [["nonsense"], {}, 2, /unknown command nonsense; commands of millrace are: serve, .*\nmillrace --help/],
    [["keys", "nonsense"], {}, 2, /unknown command nonsense; commands of millrace keys are: new, show/],
    [["claim", "nonsense", "--json"], {}, 2, /unknown command nonsense; commands of millrace claim are: list/],
    [["claim", "--delegation-file", "x"], {}, 2, /--key/],
    [["serve"], {}, 2, /no networks are configured/],
    [["serve", "--config", "/nowhere"], {}, 2, /\/nowhere: cannot be read/],
    [["migrate"], { MILLRACE_LEDGER__POSTGRES: "postgresql://me:hush@127.0.0.1:1/x" }, 1, /cannot be reached at postgresql:\/\/me:\*\*\*@/],
  ];
  for (const [args, env, code, message] of cases) {
    const result = await millrace(args, { MILLRACE_TOKEN: "", ...env });
    assert.match(result.err, message, args.join(" "));
    assert.equal(result.code, code, args.join(" ") + result.err);
    assert.doesNotMatch(result.err, /hush/);
  }
});
