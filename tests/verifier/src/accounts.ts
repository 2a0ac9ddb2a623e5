/** The rule `balance`: accounts, the sums of what is moved between them. */
import type { Row } from "./fields.ts";
import type { At, Findings, Place } from "./finding.ts";

export interface Account {
  network: string;
  token: string;
  kind: string;
  owner: string;
  debits: bigint;
  credits: bigint;
}

export const kKinds = ["escrow", "channel", "earned", "held", "claimed", "gas", "wallet"];
const kDebitKinds = ["escrow", "gas"];

export function nameOf(network: string, token: string, kind: string, owner: string): string {
  return `${network}:${token}:${kind}:${owner}`;
}

/** By the account's normal side; a wallet has none. */
function isNegative({ kind, debits, credits }: Account): boolean {
  if (kind === "wallet") return false;
  return kDebitKinds.includes(kind) ? debits < credits : credits < debits;
}

export class Accounts {
  private readonly findings: Findings;
  private readonly accounts = new Map<string, Account>();
  private readonly compared = new Set<string>();

  constructor(findings: Findings) {
    this.findings = findings;
  }

  private fail(place: Place, explanation: string): void {
    this.findings.add("balance", place, explanation);
  }

  private at(network: string, token: string, kind: string, owner: string): Account {
    const name = nameOf(network, token, kind, owner);
    let account = this.accounts.get(name);
    if (!account) {
      account = { network, token, kind, owner, debits: 0n, credits: 0n };
      this.accounts.set(name, account);
    }
    return account;
  }

  /** Credits less debits. */
  balance(name: string): bigint {
    const account = this.accounts.get(name);
    return account ? account.credits - account.debits : 0n;
  }

  /** Moves the amount of a transfer; its two accounts are put into `touched`. */
  move(row: Row, touched: Set<Account>): void {
    const { network, token, debitKind, debitOwner, creditKind, creditOwner } = row as Record<string, string>;
    const amount = BigInt(row.amount!);
    const debit = this.at(network!, token!, debitKind!, debitOwner!);
    const credit = this.at(network!, token!, creditKind!, creditOwner!);
    debit.debits += amount;
    credit.credits += amount;
    touched.add(debit).add(credit);
  }

  assertNotNegative(accounts: Iterable<Account>, at: At): void {
    for (const account of accounts) {
      if (!isNegative(account)) continue;
      const { network, token, kind, owner } = account;
      this.fail({ ...at, table: "account", key: nameOf(network, token, kind, owner) }, "the account is negative");
    }
  }

  /** What an account had before the export begins. */
  open(row: Row, line: number): void {
    const { network, token, kind, owner } = row as Record<string, string>;
    const place = { table: "opening_balance", key: nameOf(network!, token!, kind!, owner!), line };
    if (this.accounts.has(place.key)) this.findings.add("format", place, "the account is there twice");
    const account = this.at(network!, token!, kind!, owner!);
    account.debits = BigInt(row.debits!);
    account.credits = BigInt(row.credits!);
    if (!kKinds.includes(kind!)) this.fail(place, "there is no such kind of accounts");
    if (account.debits < 0n || account.credits < 0n || isNegative(account)) {
      this.fail(place, "the account is negative");
    }
  }

  /** After the opening balances: what is moved is taken from one account and given to another. */
  assertOpeningBalanced(line: number): void {
    this.assertBalanced("opening_balance", line);
  }

  private assertBalanced(table: string, line: number): void {
    const sums = new Map<string, bigint>();
    for (const { network, token, debits, credits } of this.accounts.values()) {
      const asset = `${network}:${token}`;
      sums.set(asset, (sums.get(asset) ?? 0n) + debits - credits);
    }
    for (const [asset, sum] of sums) {
      if (sum === 0n) continue;
      this.fail({ table, key: asset, line }, `debits less credits of the asset are ${sum}`);
    }
  }

  /** An account as the service keeps it. */
  compare(row: Row, line: number): void {
    const { network, token, kind, owner } = row as Record<string, string>;
    const key = nameOf(network!, token!, kind!, owner!);
    const place = { table: "account", key, line };
    if (this.compared.has(key)) return this.findings.add("format", place, "the account is there twice");
    this.compared.add(key);
    const account = this.accounts.get(key);
    const debits = account?.debits ?? 0n;
    const credits = account?.credits ?? 0n;
    if (BigInt(row.debits!) === debits && BigInt(row.credits!) === credits) return;
    const have = `debits ${row.debits}, credits ${row.credits}`;
    this.fail(place, `it has ${have}, and its transfers add up to ${debits} and ${credits}`);
  }

  /** After the last account line. */
  finish(line: number): void {
    for (const [key, { debits, credits }] of this.accounts) {
      if (this.compared.has(key) || (debits === 0n && credits === 0n)) continue;
      const place = { table: "account", key, line };
      this.fail(place, `it is missing, and its transfers add up to ${debits} and ${credits}`);
    }
    this.assertBalanced("account", line);
  }
}
