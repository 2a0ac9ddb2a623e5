import type { Field } from "./fields.ts";

/** The tables of the log, in the order of their record types, with the fields of a leaf's record. */
export interface Table {
  name: string;
  type: number;
  /** Its list in an entry line. */
  list: string;
  fields: readonly Field[];
}

const int = (name: string, more: Partial<Field> = {}): Field => ({ name, kind: "int", ...more });
const seq = (name: string, more: Partial<Field> = {}): Field => ({ name, kind: "seq", ...more });
const text = (name: string, more: Partial<Field> = {}): Field => ({ name, kind: "text", ...more });
const time = (name: string): Field => ({ name, kind: "time" });
const number = (name: string): Field => ({ name, kind: "number" });
const bytes = (name: string, length?: number, more: Partial<Field> = {}): Field =>
  ({ name, kind: "bytes", ...(length === undefined ? {} : { length }), ...more });
const optional = { optional: true };
const key = { key: true };

export const kPayment: Table = {
  name: "payment", type: 1, list: "payments",
  fields: [
    bytes("channelId", 32, key), text("inferenceId"), int("step"), text("kind"), bytes("content", 16),
    int("amount"), int("increment"), int("charged"), int("reserved"), int("signedMax"), int("balance"),
    int("voucherMax", optional), bytes("signature", undefined, optional), seq("coveredBy", optional),
    text("detail"), { name: "channelMonth", kind: "date" }, time("at"),
  ],
};
export const kTransfer: Table = {
  name: "transfer", type: 2, list: "transfers",
  fields: [
    int("leg", key), text("network"), bytes("token", 20), text("debitKind"), bytes("debitOwner"),
    text("creditKind"), bytes("creditOwner"), int("amount"), text("cause"), seq("firstSeq"),
    seq("reversesSeq", optional), int("reversesLeg", optional), time("at"),
  ],
};
export const kChainEvent: Table = {
  name: "chain_event", type: 3, list: "chainEvents",
  fields: [
    text("network", key), bytes("transactionHash", 32, key), int("logIndex", key), int("inclusion", key),
    int("blockNumber"), bytes("blockHash", 32), text("kind"), bytes("channelId", 32, optional),
    int("amount"), int("requestedAt"), int("withdrawAmount"), time("at"),
  ],
};
export const kOpening: Table = {
  name: "channel_opening", type: 4, list: "openings",
  fields: [
    bytes("channelId", 32, key), text("network"), int("blockNumber"), bytes("blockHash", 32),
    int("balance"), int("totalClaimed"),
  ],
};
export const kReversal: Table = {
  name: "chain_reversal", type: 5, list: "reversals",
  fields: [seq("eventSeq", key), time("at")],
};
export const kEvent: Table = {
  name: "event", type: 6, list: "events",
  fields: [
    text("topic"), text("name"), text("network"), bytes("token", 20), bytes("channelId", 32, optional),
    bytes("receiver", 20), text("data"), time("at"),
  ],
};
export const kTables = [kPayment, kTransfer, kChainEvent, kOpening, kReversal, kEvent] as const;

const account = [
  text("type"), text("network"), bytes("token", 20), text("kind"), bytes("owner"), int("debits"), int("credits"),
];

/** The fields of each kind of line. */
export const kLines: Record<string, readonly Field[]> = {
  header: [
    text("type"), text("format"), seq("from"), seq("to"), seq("seq"), time("at"), text("origin"), text("key"),
  ],
  asset: [
    text("type"), text("network"), bytes("token", 20), text("name"), text("symbol"), number("decimals"),
    bytes("contract", 20, optional),
  ],
  channel: [
    text("type"), bytes("channelId", 32), text("network"), bytes("token", 20),
    { name: "config", kind: "object" }, text("app", optional), text("voucherSigner"), time("openedAt"),
    text("status"), int("balance"), int("charged"), int("owed"), int("reserved"), int("refunding"),
    int("refundsBegun"), int("signedMax"), bytes("signature", undefined, optional), int("totalClaimed"),
    int("withdrawRequestedAt"), int("refundNonce"), text("inDoubt"), seq("seq"),
  ],
  reservation: [
    text("type"), bytes("channelId", 32), text("inferenceId"), int("maxAmount"), int("charged"), int("steps"),
  ],
  opening_balance: account,
  stray: [text("type"), text("table"), int("seq", optional), text("key")],
  entry: [
    text("type"), seq("seq"), bytes("leaf", 32, optional),
    ...kTables.map(({ list }): Field => ({ name: list, kind: "list", optional: true })),
  ],
  checkpoint: [text("type"), seq("size"), bytes("root", 32), text("note")],
  account,
  proof: [
    text("type"), seq("size"), bytes("root", undefined), text("note"),
    { name: "left", kind: "list" }, { name: "right", kind: "list" },
  ],
  trailer: [text("type"), number("lines"), text("sha256")],
};

export const kConfig: readonly Field[] = [
  bytes("payer", 20), bytes("payerAuthorizer", 20), bytes("receiver", 20), bytes("receiverAuthorizer", 20),
  bytes("token", 20), number("withdrawDelay"), bytes("salt", 32),
];
