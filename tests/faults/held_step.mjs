import { until } from "../e2e/client.mjs";
import { connect, query } from "../e2e/postgres.mjs";

const kLock = 4711;
const kWaiting = `
  select pid from pg_locks
  where locktype = 'advisory' and objid = ${kLock} and not granted`;

/** A write to the database that stands still when it is reached, by a trigger that waits for a lock. */
export class HeldStep {
  #postgres;
  #holder;

  /** @param {string} operation insert or update  @param {string} when of the rows `new` and `old` */
  static async set(postgres, table, operation, when) {
    const step = new HeldStep();
    step.#postgres = postgres;
    step.#holder = await connect(postgres);
    await step.#holder.query(`select pg_advisory_lock(${kLock})`);
    await step.#holder.query(`
      create function hold_step() returns trigger language plpgsql as $$
      begin
        perform pg_advisory_xact_lock(${kLock});
        return new;
      end $$`);
    await step.#holder.query(`
      create trigger hold_step before ${operation} on ${table}
      for each row when (${when}) execute function hold_step()`);
    return step;
  }

  untilReached() {
    const waiting = () => query(this.#postgres, kWaiting);
    return until(waiting, (rows) => rows.length > 0, { what: "the step that is held" });
  }

  /** What was held is rolled back, and nothing is held any more. */
  async clear() {
    await this.#holder.query(`select pg_terminate_backend(pid) from (${kWaiting}) waiting`);
    // A service that is back by now may wait for the lock with the table in its hands.
    await this.#holder.query(`select pg_advisory_unlock(${kLock})`);
    await this.#holder.query("drop function hold_step cascade");
    await this.#holder.end();
  }
}
