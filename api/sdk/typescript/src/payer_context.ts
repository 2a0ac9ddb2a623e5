import type { Account } from "./account.js";
import type { Log } from "./log/log.js";
import type { Session } from "./session.js";
import type { Spending } from "./spending.js";
import type { Storage } from "./storage.js";

/** What a payer's channels have in common. */
export interface PayerContext {
  session: Session;
  account: Account;
  /** Signs vouchers: the account, or a key of its own. */
  signer: Account;
  spending: Spending;
  storage: Storage;
  log: Log;
  /** Of the payments of a channel one of so many is proven from the log by itself; 0: none. */
  proveEvery: number;
  timeoutMs: number;
}
