// A gate that is not beside the service: over TLS, and with a key that only stands for the receiver's.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer as createPlainServer } from "node:net";
import { createServer } from "node:tls";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { Chain, devAccount } from "./chain.mjs";
import { Client } from "./client.mjs";
import { Gate, priceOf } from "./gate.mjs";
import { OpenAiUpstream } from "./openai_upstream.mjs";
import { kBinary, Stack } from "./stack.mjs";
import { X402App } from "./x402_app.mjs";

let directory;
let certificate;
let proxy;
let domain;
let stack;
let upstream;
let gate;

async function freePort() {
  const server = createPlainServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** TLS in front of the service, with a certificate for localhost. */
async function startProxy(port, to) {
  const key = join(directory, "tls.key");
  certificate = join(directory, "tls.pem");
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
      ...["-keyout", key, "-out", certificate],
    ],
    { stdio: "ignore" },
  );
  const secured = { key: readFileSync(key), cert: readFileSync(certificate) };
  const server = createServer(secured, (client) => {
    const service = connect(to, "127.0.0.1");
    client.on("error", () => service.destroy());
    service.on("error", () => client.destroy());
    client.pipe(service).pipe(client);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "millrace-remote-"));
  const port = await freePort();
  domain = `localhost:${port}`;
  stack = await Stack.start({ env: { MILLRACE_SERVER__DOMAIN: domain } });
  proxy = await startProxy(port, new URL(stack.ready.url).port);
  upstream = await OpenAiUpstream.start();
});

afterEach(async () => {
  await gate?.stop();
  gate = undefined;
});

after(async () => {
  proxy?.close();
  await upstream?.stop();
  await stack?.stop();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

test("gate remote: over TLS, by a delegated key, the receiver is paid", async () => {
  const secret = generatePrivateKey();
  const receiver = privateKeyToAccount(secret);
  const receiverKey = join(directory, "receiver.key");
  writeFileSync(receiverKey, `${secret}\n`, { mode: 0o600 });
  const gateKey = generatePrivateKey();
  const delegation = join(directory, "delegation.json");
  execFileSync(kBinary, [
    ...["keys", "delegate", "--key", receiverKey, "--domain", domain, "--expires", "1d"],
    ...["--to", privateKeyToAccount(gateKey).address, "--out", delegation],
  ]);
  gate = await Gate.start({
    service: `wss://${domain}`,
    upstream: upstream.url,
    key: gateKey,
    keys: `delegation_file = "${delegation}"\npay_to = "${receiver.address}"`,
    env: { SSL_CERT_FILE: certificate },
  });
  const chain = new Chain(stack.ready);
  const app = new X402App({ account: devAccount(1), chain, ready: stack.ready });
  const { response, receipt, text } = await app.chat(gate, "tokens=6");
  assert.equal(response.status, 200, text);
  assert.equal(receipt.extra.chargedAmount, String(priceOf(1, 6)));
  const provider = await Client.login(stack.ready.stream, receiver);
  const channel = await provider.get(await app.channelId(`${gate.url}/v1/chat/completions`));
  assert.equal(channel.config.receiver, receiver.address.toLowerCase());
  assert.equal(channel.chargedCumulativeAmount, String(priceOf(1, 6)));
  await provider.close();
});

test("gate remote: a certificate that nobody vouches for is not talked to", async () => {
  gate = new Gate({ service: `wss://${domain}`, upstream: upstream.url });
  await gate.run({ untilReady: false });
  for (;;) {
    if (/TLS: certificate verify failed/.test(gate.log)) break;
    await new Promise(setImmediate);
  }
  assert.equal((await fetch(`${gate.url}/.millrace/readyz`)).status, 503);
});
