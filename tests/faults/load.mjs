import assert from "node:assert/strict";
import { devAccount, newAccount } from "../e2e/chain.mjs";
import { Client, until } from "../e2e/client.mjs";
import { StreamError } from "../e2e/connection.mjs";
import { query } from "../e2e/postgres.mjs";
import { assertBalanced } from "../e2e/stack.mjs";

const kWindow = 16;
const kDeposit = 50_000_000n;
/** Answers after which the same request has to be made again. */
const kTransient = ["unavailable", "overloaded", "too_many_in_flight", "rate_limited"];

/** The updates of one channel: those that were answered, and those that were sent and were not. */
class Lane {
  /** "kind inference" of everything ever sent. */
  sent = new Set();
  /** seq → result and kind. */
  acknowledged = new Map();
  inDoubt = [];
  broken = false;
  #next = 0;

  constructor(app, provider, channel, random) {
    Object.assign(this, { app, provider, channel, random });
  }

  /** Keeps a window of requests unanswered until `stopping()` or the first one that fails. */
  async run(stopping) {
    this.broken = false;
    const open = new Set();
    while (!this.broken && !stopping()) {
      const work = this.#inference().finally(() => open.delete(work));
      open.add(work);
      if (open.size >= kWindow) await Promise.race(open);
    }
    await Promise.all(open);
  }

  /** Makes every request again that got no answer: each has to succeed, as for the first time. */
  async repeat() {
    this.broken = false;
    for (const request of this.inDoubt.splice(0)) await this.#submit(request);
    assert.deepEqual(this.inDoubt, [], "a repeated request is in doubt again");
  }

  async #inference() {
    const id = `i-${this.#next++}`;
    const amount = this.random.between(1, 500);
    if (this.random.chance(0.6)) return this.#submit({ kind: "pay", id, amount });
    await this.#submit({ kind: "authorize", id, amount });
  }

  async #submit(request) {
    const { kind, id } = request;
    this.sent.add(`${kind} ${id}`);
    try {
      const result = await this.#call(request);
      const known = this.acknowledged.get(result.seq);
      assert.equal(known, undefined, `seq ${result.seq} was given out twice`);
      this.acknowledged.set(result.seq, { kind, ...result });
    } catch (error) {
      if (error instanceof StreamError && !kTransient.includes(error.reason)) throw error;
      if (error instanceof assert.AssertionError) throw error;
      this.broken = true;
      this.inDoubt.push(request);
      return;
    }
    if (kind === "authorize") await this.#submit(this.#conclusion(request));
  }

  #conclusion({ id, amount }) {
    if (this.random.chance(0.2)) return { kind: "release", id };
    return { kind: "charge", id, amount: this.random.between(0, amount + 1) };
  }

  async #call(request) {
    const { kind, id, amount } = request;
    const channelId = this.channel.id;
    const inference = { id, model: "m" };
    switch (kind) {
      case "pay":
        return this.app.call("payment.pay", {
          channelId,
          inference,
          amount: String(amount),
          voucher: await this.#voucher(request),
        });
      case "authorize":
        return this.app.call("payment.authorize", {
          channelId,
          inference,
          maxAmount: String(amount),
          voucher: await this.#voucher(request),
        });
      case "charge":
        return this.provider.charge(channelId, id, amount);
      case "release":
        return this.provider.release(channelId, id);
    }
  }

  /** A repeat promises nothing new: the highest promise so far covers it. */
  async #voucher(request) {
    if (!request.promised) this.channel.promised += BigInt(request.amount);
    request.promised = true;
    return this.app.voucher(this.channel.id, this.channel.promised);
  }
}

/** Several channels under load, with a memory of every answer. */
export class Load {
  static async open(ready, random, channels) {
    const load = new Load();
    const receiver = newAccount();
    load.provider = await Client.login(ready.stream, receiver);
    load.lanes = await Promise.all(
      Array.from({ length: channels }, async (_, index) => {
        const app = await Client.login(ready.stream, devAccount(index));
        const channel = await app.open(receiver.address, { deposit: kDeposit });
        return new Lane(app, load.provider, channel, random);
      }),
    );
    return load;
  }

  get acknowledged() {
    return this.lanes.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0);
  }

  /** Pays until every connection is gone, or `stopping()`. */
  async run(stopping) {
    await Promise.all(this.lanes.map((lane) => lane.run(stopping)));
  }

  /** With the tokens of earlier logins. */
  async reconnect(ready) {
    const again = async (client) => {
      client.connection.cut();
      const next = await Client.withToken(ready.stream, client.account, client.session.token);
      client.connection = next.connection;
    };
    await Promise.all([this.provider, ...this.lanes.map(({ app }) => app)].map(again));
  }

  async repeat() {
    await Promise.all(this.lanes.map((lane) => lane.repeat()));
  }

  /**
   * Everything acknowledged is on record once, with the figures of its answer; nothing is on record
   * that was never sent; channels and books add up.
   */
  async verify(ready) {
    for (const lane of this.lanes) await verifyLane(ready, lane);
    await assertBalanced(ready);
  }

  close() {
    for (const { app } of this.lanes) app.connection.cut();
    this.provider.connection.cut();
  }
}

async function verifyLane(ready, lane) {
  const rows = await query(
    ready.postgres,
    `select seq::text, inference_id, kind, amount::text, increment::text, charged::text,
            reserved::text, balance::text
     from payment where channel_id = decode($1, 'hex') order by seq`,
    [lane.channel.id.slice(2)],
  );
  const onRecord = new Map(rows.map((row) => [row.seq, row]));
  assert.equal(onRecord.size, rows.length, "a seq is on record twice");
  for (const [seq, answer] of lane.acknowledged) {
    const row = onRecord.get(seq);
    assert.ok(row, `acknowledged and lost: ${JSON.stringify(answer)}`);
    assert.deepEqual(
      [row.inference_id, row.kind, row.amount, row.charged, row.reserved, row.balance],
      [
        answer.inferenceId,
        answer.kind,
        answer.amount,
        answer.chargedCumulativeAmount,
        answer.reservedAmount,
        answer.balance,
      ],
    );
  }
  const steps = rows.map(({ kind, inference_id }) => `${kind} ${inference_id}`);
  assert.equal(new Set(steps).size, steps.length, "an update is on record twice");
  for (const step of steps) assert.ok(lane.sent.has(step), `on record and never sent: ${step}`);
  const total = rows.reduce((sum, { increment }) => sum + BigInt(increment), 0n);
  const channel = await until(
    () => lane.app.get(lane.channel.id),
    ({ chargedCumulativeAmount }) => chargedCumulativeAmount === String(total),
    { what: `a charged total of ${total}` },
  );
  assert.ok(BigInt(channel.signedMaxClaimable) >= total);
}
