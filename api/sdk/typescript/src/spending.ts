/** What this client may sign for, and what it has signed for so far. */
import { parseAmount } from "./amounts.js";
import { SpendingCapExceeded } from "./errors.js";
import type { Hex } from "./reading.js";
import type { Storage } from "./storage.js";
import { load, save, storedAmount } from "./stored.js";
import { Turns } from "./waiting.js";

/** In base units, for each token by itself; what is left out is not limited. */
export interface SpendingCap {
  /** All that may ever be claimed by what this client signs. */
  total?: bigint;
  perPayment?: bigint;
  perDeposit?: bigint;
  /** All deposits together. A deposit is not spent: what is not paid comes back. */
  deposits?: bigint;
}

export interface Asset {
  network: string;
  token: Hex;
}

/** One token's account; changed only within `Spending.update`. */
export class SpendingAccount {
  readonly #cap: SpendingCap;
  /** What can be claimed at most by all vouchers that were signed, beyond what was charged when they were adopted. */
  signed: bigint;
  deposited: bigint;

  constructor(cap: SpendingCap, signed: bigint, deposited: bigint) {
    this.#cap = cap;
    this.signed = signed;
    this.deposited = deposited;
  }

  /** Takes so much more on; throws, and changes nothing, above the cap. */
  sign(more: bigint): void {
    const { total } = this.#cap;
    if (total !== undefined && this.signed + more > total)
      throw new SpendingCapExceeded(
        "total",
        total,
        `the spending cap is ${total}, ${this.signed} of it are used, and this needs ${more} more`,
      );
    this.signed += more;
  }

  /** What an earlier life has signed for: it is there, whatever the cap says. */
  adopt(signed: bigint): void {
    this.signed += signed;
  }

  deposit(amount: bigint): void {
    const { perDeposit, deposits } = this.#cap;
    if (perDeposit !== undefined && amount > perDeposit)
      throw new SpendingCapExceeded(
        "perDeposit",
        perDeposit,
        `a deposit of ${amount} is above the cap of ${perDeposit}`,
      );
    if (deposits !== undefined && this.deposited + amount > deposits)
      throw new SpendingCapExceeded(
        "deposits",
        deposits,
        `deposits may be ${deposits} in all, ${this.deposited} are made, and this is ${amount}`,
      );
    this.deposited += amount;
  }

  /** An authorization ended unused. */
  takeBack(amount: bigint): void {
    this.deposited -= amount;
  }
}

export class Spending {
  readonly cap: SpendingCap;
  readonly #storage: Storage;
  readonly #payer: Hex;
  readonly #accounts = new Map<string, SpendingAccount>();
  readonly #turns = new Turns();

  constructor(cap: SpendingCap, storage: Storage, payer: Hex) {
    for (const [name, limit] of Object.entries(cap) as [string, unknown][]) {
      if (limit !== undefined && (typeof limit !== "bigint" || parseAmount(String(limit)) === undefined))
        throw new TypeError(`spendingCap.${name} has to be a bigint of base units`);
    }
    this.cap = { ...cap };
    this.#storage = storage;
    this.#payer = payer;
  }

  checkPayment(amount: bigint): void {
    const { perPayment } = this.cap;
    if (perPayment !== undefined && amount > perPayment)
      throw new SpendingCapExceeded(
        "perPayment",
        perPayment,
        `a payment of ${amount} is above the cap of ${perPayment}`,
      );
  }

  /** Changes an account by a function that runs at once; resolves when the storage has the outcome. */
  update<T>(asset: Asset, change: (account: SpendingAccount) => T): Promise<T> {
    const key = `spending:${this.#payer}:${asset.network}:${asset.token}`.toLowerCase();
    return this.#turns.take(async () => {
      const account = await this.#account(key);
      const { signed, deposited } = account;
      const outcome = change(account);
      if (account.signed !== signed || account.deposited !== deposited)
        await save(this.#storage, key, { signed: account.signed, deposited: account.deposited });
      return outcome;
    });
  }

  async #account(key: string): Promise<SpendingAccount> {
    const known = this.#accounts.get(key);
    if (known) return known;
    const stored = await load(this.#storage, key);
    const account = new SpendingAccount(
      this.cap,
      stored ? storedAmount(stored, "signed", key) : 0n,
      stored ? storedAmount(stored, "deposited", key) : 0n,
    );
    this.#accounts.set(key, account);
    return account;
  }
}
