import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { Chain, devAccount, newAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { assertBalanced, kBinary, Stack } from "./stack.mjs";

const kDeposit = 10_000n;

let stack;
let directory;
let receiver;
let keyFile;
let domain;

before(async () => {
  stack = await Stack.start();
  directory = mkdtempSync(join(tmpdir(), "millrace-delegation-"));
  const secret = generatePrivateKey();
  receiver = privateKeyToAccount(secret);
  keyFile = join(directory, "receiver.key");
  writeFileSync(keyFile, `${secret}\n`, { mode: 0o600 });
  domain = new URL(stack.ready.url).host;
});

after(async () => {
  await stack?.stop();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

/** Runs `millrace`; never throws. */
const millrace = (...args) =>
  new Promise((resolve) => {
    const env = { ...process.env, MILLRACE_URL: stack.ready.url, MILLRACE_TOKEN: "" };
    execFile(kBinary, args, { env }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, out, err }),
    );
  });
const delegate = (...args) => millrace("keys", "delegate", "--key", keyFile, ...args);

async function delegationTo(account, { at = domain, expires = "90d" } = {}) {
  const { code, out, err } = await delegate("--to", account.address, "--domain", at, "--expires", expires);
  assert.equal(code, 0, err);
  return JSON.parse(out);
}

const login = (account, { message, signature }) =>
  Client.login(stack.ready.stream, account, { delegation: { message, signature } });

test("delegation: a key that holds nothing does a provider's work", async () => {
  const chain = new Chain(stack.ready);
  const gate = newAccount();
  const given = await delegationTo(gate);
  assert.equal(given.address, receiver.address.toLowerCase());
  assert.equal(given.delegate, gate.address.toLowerCase());
  const provider = await login(gate, given);
  assert.equal(provider.session.address, receiver.address.toLowerCase());
  assert.equal(provider.session.delegate, gate.address.toLowerCase());

  const payer = await Client.login(stack.ready.stream, devAccount(1));
  const channelConfig = payer.configFor(receiver.address);
  const id = payer.idOf(channelConfig);
  const deposit = await payer.deposit(id, kDeposit);
  await provider.accept({ channelConfig, voucher: await payer.voucher(id, 500n), deposit }, { id: "job" }, 500n);
  await provider.charge(id, "job", 300n);
  const again = await Client.withToken(stack.ready.stream, gate, provider.session.token);
  assert.equal((await again.list()).length, 1);
  assert.equal((await again.claim()).amount, "300");
  assert.equal(await chain.tokenBalance(receiver.address), 300n);
  assert.equal(await chain.tokenBalance(gate.address), 0n);
  await again.call("channel.refund", { channelId: id, voucher: await payer.voucher(id, 300n) });
  await until(() => again.get(id), ({ status }) => status === "closed", { what: "the refund" });
  for (const client of [provider, payer, again]) await client.close();
  await assertBalanced(stack.ready);
});

test("delegation: it is no payer, neither on the stream nor by its token", async () => {
  const gate = newAccount();
  const own = await Client.login(stack.ready.stream, devAccount(2));
  const channel = await own.open(newAccount().address, { deposit: kDeposit });
  await own.authorize(channel, { id: "wide" }, 5_000n);
  // Signed by a payer for once, whose standing voucher would cover more.
  const text = (await delegationTo(gate)).message.replace(receiver.address, own.account.address);
  const delegation = { message: text, signature: await own.account.signMessage({ message: text }) };
  const acting = await login(gate, delegation);
  const byToken = await Client.withToken(stack.ready.stream, gate, acting.session.token);
  const params = { channelId: channel.id, inference: { id: "x", model: "m" } };
  const voucher = await own.voucher(channel.id, 6_000n);
  for (const client of [acting, byToken]) {
    const forbidden = [
      ["payment.authorize", { ...params, maxAmount: "1" }],
      ["payment.pay", { ...params, amount: "1", voucher }],
      ["channel.topUp", { channelId: channel.id, deposit: await own.deposit(channel.id, 5n) }],
      ["channel.open", { network: own.network.network, channelConfig: channel.config }],
      ["channel.refund", { channelId: channel.id, voucher: await own.voucher(channel.id, 0n) }],
      ["channel.get", { channelId: channel.id }],
      ["events.subscribe", { topics: ["payment"], channelId: channel.id }],
    ];
    for (const [method, given] of forbidden)
      await assert.rejects(client.call(method, given), { reason: "forbidden" }, method);
    await client.close();
  }
  const read = await fetch(`${stack.ready.url}/v1/channels/${channel.id}`, {
    headers: { Authorization: `Bearer ${acting.session.token}` },
  });
  assert.equal(read.status, 403);
  await own.close();
});

test("delegation: what is refused, on the stream and over REST", async () => {
  const gate = newAccount();
  const good = await delegationTo(gate);
  const { message, signature } = good;
  const altered = message.replace("Version: 1", "Version: 1 ");
  const cases = [
    [await delegationTo(newAccount()), "delegation.message"],
    [await delegationTo(gate, { at: "pay.example" }), "delegation.message"],
    [{ message: altered, signature: await receiver.signMessage({ message: altered }) }, "delegation.message"],
    [{ message, signature: await gate.signMessage({ message }) }, "delegation.signature"],
    [{ message, signature: "0x12" }, "delegation.signature"],
  ];
  const year = 365 * 24 * 3600 * 1000;
  const started = (days) => new Date(Date.now() + days * 24 * 3600 * 1000).toISOString();
  const dated = async (from, to) => {
    const text = message
      .replace(/Issued At: .*Z/, `Issued At: ${from.replace("Z", "000Z")}`)
      .replace(/Expiration Time: .*Z/, `Expiration Time: ${to.replace("Z", "000Z")}`);
    return { message: text, signature: await receiver.signMessage({ message: text }) };
  };
  cases.push([await dated(started(-10), started(-1)), "delegation.message"]);
  cases.push([await dated(started(1), started(10)), "delegation.message"]);
  cases.push([await dated(started(-1), new Date(Date.now() + year).toISOString()), "delegation.message"]);
  // So that a refusal above is one for its dates.
  await (await login(gate, await dated(started(-1), started(1)))).close();

  const post = async (path, body) => {
    const response = await fetch(`${stack.ready.url}/v1/auth/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };
  const overRest = async (delegation) => {
    const challenge = (await post("challenge", { address: gate.address })).body;
    const proof = await gate.signMessage({ message: challenge.message });
    return post("login", { message: challenge.message, signature: proof, delegation });
  };
  for (const [delegation, field] of cases) {
    const given = { message: delegation.message, signature: delegation.signature };
    await assert.rejects(login(gate, given), (error) => {
      assert.equal(error.reason, "unauthenticated");
      assert.equal(error.data.field, field, error.message);
      return true;
    });
    const { status, body } = await overRest(given);
    assert.equal(status, 401);
    assert.equal(body.field, field);
  }
  const { status, body } = await overRest({ message, signature });
  assert.equal(status, 200);
  assert.equal(body.address, receiver.address.toLowerCase());
  assert.equal(body.delegate, gate.address.toLowerCase());
  const soon = await delegationTo(gate, { expires: "1h" });
  const short = await login(gate, soon);
  assert.equal(short.session.expiresAt, soon.expiresAt);
  await short.close();
});

test("claim: the command, with a key that the receiver has delegated to", async () => {
  const chain = new Chain(stack.ready);
  const secret = generatePrivateKey();
  const agent = privateKeyToAccount(secret);
  const key = join(directory, "agent.key");
  writeFileSync(key, `${secret}\n`, { mode: 0o600 });
  const kept = async (name, text) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const file = await kept("delegation.json", JSON.stringify(await delegationTo(agent)));
  const payer = await Client.login(stack.ready.stream, devAccount(3));
  await payer.pay(await payer.open(receiver.address, { deposit: kDeposit }), { id: "one" }, 400n);
  const before = await chain.tokenBalance(receiver.address);
  const as = (delegation, ...more) =>
    millrace("claim", ...more, "--key", key, "--delegation-file", delegation, "--json");
  const { code, out, err } = await as(file, "--wait", "30");
  assert.equal(code, 0, err);
  assert.equal(JSON.parse(out).status, "confirmed");
  assert.equal(await chain.tokenBalance(receiver.address), before + 400n);
  assert.equal(JSON.parse((await as(file, "list")).out).claims[0].amount, "400");

  const elsewhere = await delegationTo(agent, { at: "pay.example" });
  for (const [delegation, told] of [
    [join(directory, "none.json"), /--delegation-file: there is no file .*none\.json; make one with/],
    [await kept("other.json", '{"message": 1}'), /other\.json is no delegation; make one with/],
    [await kept("elsewhere.json", JSON.stringify(elsewhere)), new RegExp(`has to be for ${domain}\\.`)],
  ]) {
    const refused = await as(delegation);
    assert.notEqual(refused.code, 0);
    assert.match(refused.err, told);
    assert.doesNotMatch(refused.err, /MILLRACE_TOKEN/);
  }
  await payer.close();
});

test("keys delegate: writes a file, and names what is wrong with its options", async () => {
  const gate = newAccount();
  const file = join(directory, "delegation.json");
  const to = ["--to", gate.address, "--domain", domain];
  const { code, err } = await delegate(...to, "--out", file);
  assert.equal(code, 0, err);
  assert.match(err, /may act for .* nothing ends it before/);
  await (await login(gate, JSON.parse(readFileSync(file, "utf8")))).close();
  for (const [args, told] of [
    [["--to", "0x12", "--domain", domain], /expected 0x and 40 digits/],
    [["--to", gate.address, "--domain", "pay example"], /expected a name/],
    [["--to", gate.address, "--domain", "http://x"], /expected a name .*, without http:\/\//],
    [["--to", gate.address, "--domain", "x/v1"], /without \/v1/],
    [["--to", gate.address, "--domain", "x:y"], /expected a name/],
    [[...to, "--expires", "366d"], /at most 365 days/],
    [[...to, "--expires", "0d"], /in the future/],
    [[...to, "--expires", "soon"], /expected days or hours/],
  ]) {
    const failed = await delegate(...args);
    assert.notEqual(failed.code, 0);
    assert.match(failed.err, told);
  }
});
