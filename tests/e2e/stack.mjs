import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { until } from "./client.mjs";
import { query } from "./postgres.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const kBinary = process.env.MILLRACE_BIN ?? join(root, "build/dev/millrace");
const kReadyMilliseconds = 60_000;

/** `millrace dev` as a child, with its ready lines. */
export class Stack {
  #child;
  #log = [];
  #ended;

  /** The newest ready line. */
  ready;

  /**
   * The stack that MILLRACE_READY describes (a ready line), or one of its own on free ports.
   * @param {{data?: string, env?: Record<string, string>, args?: string[]}} [options] data: kept
   *   when given, else a temporary directory that goes with `stop`
   */
  static async start({ data, env = {}, args = [] } = {}) {
    const stack = new Stack();
    if (process.env.MILLRACE_READY) {
      stack.ready = JSON.parse(process.env.MILLRACE_READY);
      return stack;
    }
    stack.temporary = data ? undefined : mkdtempSync(join(tmpdir(), "millrace-e2e-"));
    stack.data = data ?? stack.temporary;
    stack.#spawn(env, args);
    await stack.readyWhere(() => true);
    return stack;
  }

  /** Waits for a ready line that suits; the newest counts. */
  readyWhere(suits) {
    const look = () => {
      if (this.#ended) throw this.#failure(this.#ended);
      return this.ready;
    };
    return until(look, (ready) => ready !== undefined && suits(ready), {
      what: "the ready line",
      milliseconds: kReadyMilliseconds,
    }).catch((error) => {
      throw this.#failure(`is not ready: ${error.message}`);
    });
  }

  /** Whether the log has a line like this among its newest. */
  hasLogged(line) {
    return this.#log.some((one) => line.test(one));
  }

  async stop() {
    if (!this.#child) return;
    if (!this.#ended) {
      this.#child.kill("SIGTERM");
      const [code] = await once(this.#child, "close");
      assert.equal(code, 0, this.#failure("did not stop cleanly").message);
    }
    if (this.temporary) rmSync(this.temporary, { recursive: true, force: true });
  }

  #spawn(env, args) {
    this.#child = spawn(
      kBinary,
      ["dev", "--port", "0", "--rpc-port", "0", "--data", this.data, ...args],
      { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] },
    );
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.ready = JSON.parse(line);
    });
    createInterface({ input: this.#child.stderr }).on("line", (line) => {
      if (process.env.MILLRACE_VERBOSE) console.error(line);
      this.#log.push(line);
      if (this.#log.length > 200) this.#log.shift();
    });
    this.#child.once("error", (error) => {
      this.#ended = `cannot start: ${error.message}`;
    });
    this.#child.once("exit", (code, signal) => {
      this.#ended = `has ended (${code ?? signal})`;
    });
  }

  #failure(what) {
    return new Error(`millrace dev ${what}; its last words:\n${this.#log.slice(-40).join("\n")}`);
  }
}

/** A REST read as an auditor. */
export async function audit(ready, path) {
  const response = await fetch(ready.url + path, {
    headers: { Authorization: `Bearer ${ready.auditorToken}` },
  });
  const body = await response.text();
  assert.equal(response.status, 200, `${path}: ${body}`);
  return JSON.parse(body);
}

/** Waits until all that was sent to the chain is final, so that its fees are in the books. */
export function outboxEmpty(ready) {
  return until(
    () => query(ready.postgres, "select outbox_id from outbox where status in ('queued', 'sent')"),
    (open) => open.length === 0,
    { what: "the outbox" },
  );
}

/** Every row of the trial balance, found by its three figures. */
export async function trialBalance(ready) {
  const rows = [];
  const collect = (value) => {
    if (value === null || typeof value !== "object") return;
    if ("debits" in value && "credits" in value && "difference" in value) rows.push(value);
    Object.values(value).forEach(collect);
  };
  collect(await audit(ready, "/v1/ledger/trial-balance"));
  assert.notEqual(rows.length, 0, "the trial balance has no rows");
  return rows;
}

/**
 * Debits equal credits in every asset, says the service; and by its own arithmetic on the rows, every
 * account is what its transfers add up to, and every channel's charges are in the books once.
 */
export async function assertBalanced(ready) {
  for (const row of await trialBalance(ready)) {
    assert.equal(row.difference, "0", JSON.stringify(row));
    assert.equal(row.debits, row.credits, JSON.stringify(row));
    assert.equal(row.accountsDiffering ?? 0, 0, JSON.stringify(row));
  }
  assert.deepEqual(await query(ready.postgres, kAccountsThatDiffer), []);
  assert.deepEqual(await query(ready.postgres, kChannelsThatDiffer), []);
}

const kAccountsThatDiffer = `
  with leg as (
    select asset_id, debit_kind kind, debit_owner owner, amount debit, 0 credit from transfer
    union all
    select asset_id, credit_kind, credit_owner, 0, amount from transfer
  ), sum as (
    select asset_id, kind, owner, sum(debit) debits, sum(credit) credits
    from leg group by asset_id, kind, owner
  )
  select kind, encode(coalesce(account.owner, sum.owner), 'hex') as owner,
         account.debits::text, account.credits::text,
         sum.debits::text as found_debits, sum.credits::text as found_credits
  from account full join sum using (asset_id, kind, owner)
  where coalesce(account.debits, 0) <> coalesce(sum.debits, 0)
     or coalesce(account.credits, 0) <> coalesce(sum.credits, 0)`;

const kChannelsThatDiffer = `
  with paid as (select channel_id, sum(increment) total from payment group by channel_id),
  booked as (
    select debit_owner channel_id, sum(amount) total from transfer
    where debit_kind = 'channel' and cause = 'payment' group by debit_owner
  )
  select encode(channel_id, 'hex') as channel, paid.total::text as paid,
         booked.total::text as booked, channel.charged::text
  from channel full join paid using (channel_id) full join booked using (channel_id)
  where coalesce(paid.total, 0) <> coalesce(booked.total, 0)
     or coalesce(paid.total, 0) <> channel.charged`;

/** Waits for /readyz. */
export function untilReady(ready) {
  return until(
    () =>
      fetch(`${ready.url}/readyz`).then(
        ({ status }) => status,
        (error) => error.message,
      ),
    (status) => status === 200,
    { what: "readyz" },
  );
}
