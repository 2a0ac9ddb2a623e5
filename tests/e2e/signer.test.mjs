import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, linkSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Keystore } from "ox";
import { privateKeyToAccount } from "viem/accounts";
import { Chain, devAccount, newAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { deployWallet } from "./smart_wallet.mjs";
import { assertBalanced, kBinary, Stack } from "./stack.mjs";

let stack;
let directory;
let signer;
let service;
let ready;

const run = (...args) => spawnSync(kBinary, args, { encoding: "utf8", timeout: 60_000 });

function start(args, environment = {}) {
  return spawn(kBinary, args, {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "ignore", process.env.MILLRACE_VERBOSE ? "inherit" : "ignore"],
  });
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

const startSigner = () => {
  signer = start(["signer", "--config", join(directory, "millrace.toml")]);
};

const readiness = () =>
  fetch(`${ready.url}/readyz`).then(
    (response) => response.json(),
    () => ({}),
  );

/** One question on the signer's socket; what it answers. */
async function ask(question, path = join(directory, "signer.socket")) {
  const text = Buffer.from(JSON.stringify(question));
  const header = Buffer.alloc(4);
  header.writeUInt32BE(text.length);
  const socket = createConnection(path);
  socket.end(Buffer.concat([header, text]));
  const chunks = [];
  for await (const chunk of socket) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).subarray(4).toString());
}

/** The development stack's keys as keystores, for a signer and a service of their own. */
before(async () => {
  stack = await Stack.start();
  directory = mkdtempSync(join(tmpdir(), "millrace-signer-"));
  writeFileSync(join(directory, "password"), "correct horse\n", { mode: 0o600 });
  for (const name of ["relayer", "receiver_authorizer"]) {
    const secret = readFileSync(join(stack.data, "keys", name), "utf8").trim();
    const [key, options] = Keystore.scrypt({ password: "correct horse", n: 1024 });
    const keystore = Keystore.encrypt(secret, key, options);
    writeFileSync(join(directory, name), JSON.stringify(keystore), { mode: 0o600 });
  }
  writeFileSync(join(directory, "log_key"), readFileSync(join(stack.data, "keys", "log_key")), { mode: 0o600 });
  const port = await freePort();
  ready = {
    ...stack.ready,
    url: `http://127.0.0.1:${port}`,
    stream: `ws://127.0.0.1:${port}/v1/stream`,
  };
  const config = readFileSync(join(stack.data, "millrace.toml"), "utf8")
    .replace(/^in_process = true$/m, `password_file = "${join(directory, "password")}"`)
    .replaceAll(join(stack.data, "keys"), directory)
    .replace(/^port = .*$/m, `port = ${port}`)
    .replace(
      /^\[\[networks\]\]$/m,
      `[signer]\nsocket = "${join(directory, "signer.socket")}"\n` +
        `state_directory = "${join(directory, "state")}"\n\n[[networks]]`,
    );
  writeFileSync(join(directory, "millrace.toml"), config, { mode: 0o600 });
});

after(async () => {
  for (const child of [service, signer])
    if (child && child.exitCode === null) child.kill("SIGKILL");
  await stack?.stop();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

test("serve: does not start without a signer, and says what to do", () => {
  const file = join(directory, "without.toml");
  const config = readFileSync(join(directory, "millrace.toml"), "utf8");
  writeFileSync(file, config.replace(/^socket = .*$/m, ""), { mode: 0o600 });
  const unset = run("serve", "--config", file);
  assert.equal(unset.status, 2, unset.stderr);
  assert.match(unset.stderr, /signer\.socket is not set: .*millrace signer --config FILE/);
});

test("serve: asks a signer process, and claims with what it signs", async () => {
  startSigner();
  await until(() => existsSync(join(directory, "signer.socket")), Boolean, { what: "the signer" });
  assert.equal(statSync(join(directory, "signer.socket")).mode & 0o777, 0o600);
  service = start(["serve", "--config", join(directory, "millrace.toml")]);
  // It stands by until the development stack's own service is gone for longer than its lease.
  const first = stack.ready.pids.service;
  process.kill(first, "SIGSTOP");
  await until(readiness, (state) => state.ready === true, {
    what: "the service with a signer",
    milliseconds: 30_000,
  });
  process.kill(first, "SIGCONT");

  const provider = newAccount();
  const app = await Client.login(ready.stream, devAccount(1));
  const channel = await app.open(provider.address, { deposit: 1_000_000n });
  await app.pay(channel, { id: "one" }, 700n);
  const earner = await Client.login(ready.stream, provider);
  assert.equal((await earner.claim()).amount, "700");
  assert.equal(await new Chain(ready).tokenBalance(provider.address), 700n);

  // Killed: payments go on, deposits are refused, nothing is lost.
  signer.kill("SIGKILL");
  await until(readiness, (state) => state.signer === false, { what: "readyz without signer" });
  assert.equal((await fetch(`${ready.url}/readyz`)).status, 503);
  await app.pay(channel, { id: "two" }, 300n);
  await assert.rejects(app.topUp(channel, 50n), /unavailable/);
  const metrics = await (await fetch(`${ready.url}/metrics`)).text();
  assert.match(metrics, /^millrace_signer_up 0$/m);
  startSigner();
  await until(readiness, (state) => state.ready === true, { what: "readyz with the signer" });
  await app.topUp(channel, 50n);
  assert.equal((await earner.claim()).amount, "300");
  assert.equal(await new Chain(ready).tokenBalance(provider.address), 1000n);
  await assertBalanced(ready);
  await app.close();
  await earner.close();
});

test("signer: what it does not claim for payers that are contracts, nobody can promise", async () => {
  const file = join(directory, "millrace.toml");
  const believe = async (yes) => {
    const config = readFileSync(file, "utf8").replace(/^contract_payers = .*\n/m, "");
    const setting = `contract_payers = ${yes}\n`;
    writeFileSync(file, config.replace(/^\[signer\]\n/m, (line) => line + setting));
    signer.kill("SIGKILL");
    await until(readiness, (state) => state.signer === false, { what: "readyz without signer" });
    startSigner();
    await until(readiness, (state) => state.ready === true, { what: "readyz with the signer" });
  };
  const wallet = await deployWallet(new Chain(ready), devAccount(4), [newAccount(), newAccount()], 3_000n);
  const payer = await Client.login(ready.stream, wallet);
  const provider = await Client.login(ready.stream, newAccount());
  const refused = { reason: "contract_payer_refused" };
  await assert.rejects(payer.open(provider.account.address, { deposit: 1_000n }), refused);
  const unopened = payer.configFor(provider.account.address);
  const payment = {
    channelConfig: unopened,
    voucher: await payer.voucher(payer.idOf(unopened), 100n),
    deposit: await payer.deposit(payer.idOf(unopened), 1_000n),
  };
  await assert.rejects(provider.accept(payment, { id: "a" }, 100n), refused);
  assert.equal(await new Chain(ready).tokenBalance(wallet.address), 3_000n);

  await believe(true);
  const channel = await payer.open(provider.account.address, { deposit: 1_000n });
  await payer.authorize(channel, { id: "one" }, 100n);
  await believe(false);
  // What was promised is charged; nothing new is promised, not even of an older voucher's rest.
  await provider.charge(channel.id, "one", 60n);
  const rest = { channelId: channel.id, inference: { id: "two", model: "m" }, maxAmount: "40" };
  await assert.rejects(payer.call("payment.authorize", rest), refused);
  await assert.rejects(payer.pay(channel, { id: "three" }, 10n), refused);
  const more = { channelConfig: channel.config, voucher: await payer.voucher(channel.id, 200n) };
  await assert.rejects(provider.accept(more, { id: "four" }, 100n), refused);
  assert.equal((await payer.refund(channel, 500n)).amount, "500");
  await payer.waitForBalance(channel.id, 500n);
  await believe(true);
  assert.equal((await provider.claim()).amount, "60");
  await assertBalanced(ready);
  await payer.close();
  await provider.close();
});

test("signer: a program beside the service gets no signature over what it likes", async () => {
  const hello = await ask({ sign: "nothing" });
  assert.equal(hello.authorizer, ready.receiverAuthorizer);
  const transaction = {
    sign: "transaction",
    network: ready.network,
    nonce: "0",
    maxPriorityFeePerGas: "1",
    maxFeePerGas: "1",
    gas: "21000",
    to: devAccount(1).address,
    value: "1",
    data: "0x",
  };
  assert.match((await ask(transaction)).refused, /sends coins/);
  assert.match((await ask({ ...transaction, value: "0" })).refused, /not the escrow contract/);
  assert.match((await ask({ ...transaction, extra: "" })).malformed, /too many/);
  assert.match((await ask({ sign: "hash", hash: `0x${"00".repeat(32)}` })).malformed, /no such/);
});

test("signer: takes the socket that a service manager hands over", async () => {
  const server = createServer().listen(join(directory, "made.socket"));
  await once(server, "listening");
  // Closing it here removes its first name.
  const path = join(directory, "handed.socket");
  linkSync(join(directory, "made.socket"), path);
  const command = `LISTEN_PID=$$ LISTEN_FDS=1 exec "${kBinary}" signer`;
  const handed = spawn("sh", ["-c", command], {
    env: {
      ...process.env,
      MILLRACE_CONFIG: join(directory, "millrace.toml"),
      MILLRACE_SIGNER__SOCKET: "/nowhere/signer.socket",
      MILLRACE_SIGNER__STATE_DIRECTORY: join(directory, "handed.state"),
    },
    stdio: ["ignore", "ignore", process.env.MILLRACE_VERBOSE ? "inherit" : "ignore", server._handle.fd],
  });
  try {
    server.close();
    assert.equal((await ask({ sign: "nothing" }, path)).authorizer, ready.receiverAuthorizer);
    handed.kill("SIGTERM");
    const [code] = await once(handed, "exit");
    assert.equal(code, 0);
    assert.equal(existsSync(path), true, "it belongs to the service manager");
  } finally {
    handed.kill("SIGKILL");
  }
});

test("keys: keystores are read and written as others do", () => {
  const file = join(directory, "new.json");
  const password = join(directory, "password");
  const made = run("keys", "new", "--keystore", file, "--password-file", password);
  assert.equal(made.status, 0, made.stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const keystore = JSON.parse(readFileSync(file, "utf8"));
  assert.equal(keystore.crypto.kdfparams.n, 262144);
  const key = Keystore.toKey(keystore, { password: "correct horse" });
  const account = privateKeyToAccount(Keystore.decrypt(keystore, key));
  assert.equal(account.address, made.stdout.trim());

  assert.equal(run("keys", "show", file).stdout, made.stdout);
  assert.equal(run("keys", "show", file, "--password-file", password).stdout, made.stdout);
  writeFileSync(join(directory, "wrong"), "battery staple\n", { mode: 0o600 });
  const wrong = run("keys", "show", file, "--password-file", join(directory, "wrong"));
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /the password is wrong/);
  const again = run("keys", "new", "--keystore", file, "--password-file", password);
  assert.equal(again.status, 1);
  assert.match(again.stderr, /cannot be made/);
  // Without a terminal and without a file, there is nobody to ask.
  const nobody = spawnSync("setsid", ["-w", kBinary, "keys", "new", "--keystore", `${file}.2`], {
    encoding: "utf8",
  });
  assert.equal(nobody.status, 2, nobody.stderr);
  assert.match(nobody.stderr, /no terminal.*--password-file/);
});
