import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { devAccount, newAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { violations } from "./schema.mjs";
import { Stack } from "./stack.mjs";

let stack;
let openapi;
let asyncapi;
const seen = new Set();
const refused = [];

const get = async (path, token) => {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return fetch(stack.ready.url + path, { headers });
};

/** What goes over the connection from now on is held against the AsyncAPI description. */
function observe(client) {
  const { connection } = client;
  const call = connection.call.bind(connection);
  connection.call = async (method, params = {}) => {
    const schemaOf = (kind) => asyncapi.components.messages[`${method}.${kind}`].payload;
    const given = JSON.parse(JSON.stringify(params));
    try {
      const result = await call(method, params);
      assert.deepEqual(
        violations(asyncapi, schemaOf("request").properties.params, given, method),
        [],
      );
      assert.deepEqual(violations(asyncapi, schemaOf("result").properties.result, result, method), []);
      seen.add(method);
      return result;
    } catch (error) {
      if (error.name !== "StreamError") throw error;
      const { code, message, data } = error;
      refused.push({ code, message, data });
      throw error;
    }
  };
}

before(async () => {
  stack = await Stack.start();
  openapi = await (await get("/openapi.json")).json();
  asyncapi = await (await get("/asyncapi.json")).json();
});

after(() => stack?.stop());

test("AsyncAPI: every method and event is as described", async () => {
  const payer = await Client.login(stack.ready.stream, devAccount(1));
  const provider = await Client.login(stack.ready.stream, newAccount());
  for (const client of [payer, provider]) observe(client);
  const events = [];
  await provider.subscribe({ topics: ["channel", "payment", "settlement"], fromSeq: "0" }, (event) =>
    events.push(event),
  );
  await payer.call("server.info");
  const { message } = await payer.call("auth.challenge", { address: payer.account.address });
  const signature = await payer.account.signMessage({ message });
  await payer.call("auth.login", { message, signature });
  const channel = await payer.open(provider.account.address, { deposit: 1000n, app: "app" });
  await payer.topUp(channel, 500n);
  await payer.list({ limit: 1 });
  await payer.pay(channel, { id: "paid", app: "a", units: 3, requestHash: `0x${"1".repeat(64)}` }, 10n);
  await payer.authorize(channel, { id: "job", units: "1e3" }, 100n);
  await payer.authorize(channel, { id: "dropped" }, 5n);
  await provider.charge(channel.id, "job", 60n, {
    usage: { inputTokens: 7, outputTokens: 8 },
    receipt: { any: ["thing", null, 1.5] },
  });
  await provider.release(channel.id, "dropped", "cancelled");
  const voucher = await payer.voucher(channel.id, 75n);
  const deposit = await payer.deposit(channel.id, 500n);
  await provider.accept({ channelConfig: channel.config, voucher, deposit }, { id: "web" }, 5n);
  assert.equal((await provider.get(channel.id)).reservations.length, 1);
  await provider.release(channel.id, "web");
  await provider.claim();
  await payer.refund(channel, 100n);
  await assert.rejects(payer.pay(channel, { id: "beyond" }, 10_000n));
  await assert.rejects(payer.get(`0x${"2".repeat(64)}`));
  const { subscription } = await payer.call("events.subscribe", { topics: ["payment"], channelId: channel.id });
  await payer.call("events.unsubscribe", { subscription });

  const { payload } = asyncapi.components.messages.event;
  const wanted = ["opened", "topped_up", "refunding", "refunded", "paid", "authorized", "charged", "released", "queued", "sent", "confirmed"];
  await until(
    () => wanted.filter((name) => !events.some(({ data }) => data.name === name)),
    (missing) => missing.length === 0,
    { what: "events" },
  );
  const dataOf = { channel: "ChannelEvent", payment: "PaymentEvent", settlement: "SettlementEvent" };
  for (const event of events) {
    const schema = asyncapi.components.schemas[dataOf[event.topic]];
    assert.deepEqual(violations(asyncapi, schema, event.data, event.topic), []);
    assert.deepEqual(violations(asyncapi, payload.properties.params, event), []);
  }
  assert.ok(refused.length >= 2);
  for (const error of refused)
    assert.deepEqual(violations(asyncapi, asyncapi.components.schemas.Error, error), []);
  const described = Object.keys(asyncapi.operations).filter((name) => name !== "event");
  assert.deepEqual([...seen].sort(), described.sort());
  await payer.close();
  await provider.close();
});

test("OpenAPI: what the server answers to every GET is as described", async () => {
  const { auditorToken } = stack.ready;
  const [channel] = (await (await get("/v1/channels", auditorToken)).json()).channels;
  const [entry] = (await (await get("/v1/ledger/entries", auditorToken)).json()).entries;
  const [account] = (await (await get("/v1/ledger/accounts", auditorToken)).json()).accounts;
  const segments = {
    "/v1/channels/{id}": channel.channelId,
    "/v1/channels/{id}/payments": channel.channelId,
    "/v1/ledger/accounts/{id}": account.id,
    "/v1/ledger/accounts/{id}/statement": account.id,
    "/v1/ledger/entries/{seq}": entry.seq,
    "/v1/claims/{id}": "none",
    "/v1/channels/{id}/proof": channel.channelId,
    "/v1/log/tile/{path}": "0/000.p/1",
    "/v1/log/tile/entries/{path}": "000.p/1",
  };
  const queries = {
    "/v1/channels/{id}/proof": "?inferenceId=job",
    "/v1/log/proof/inclusion": "?seq=1",
    "/v1/log/proof/consistency": "?from=1",
  };
  for (const [path, { get: operation }] of Object.entries(openapi.paths)) {
    if (!operation) continue;
    const target = path.replace(/\{\w+\}/, segments[path] ?? "") + (queries[path] ?? "");
    const response = await get(target, auditorToken);
    assert.equal(response.status, /^\/v1\/(claims|quarantine)/.test(path) ? 403 : 200, path);
    let described = operation.responses[response.status];
    if (described.$ref) described = openapi.components.responses[described.$ref.split("/").at(-1)];
    const type = response.headers.get("content-type").split(";")[0];
    assert.ok(described.content[type], `${path}: ${type}`);
    if (!type.endsWith("json") || type === "application/x-ndjson") continue;
    assert.deepEqual(violations(openapi, described.content[type].schema, await response.json(), path), []);
  }
});
