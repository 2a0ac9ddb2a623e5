/**
 * A small ledger that keeps the rules, and its export, written from the format's description alone and
 * without the verifier's code. What is in it can be changed afterwards, as whoever has the database
 * could: rows, leaf hashes, heads; `reseal` is what only the owner of the log's key could do.
 */
import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { secp256k1 } from "@noble/curves/secp256k1";
import { keccak_256 } from "@noble/hashes/sha3";

export const kNetwork = "eip155:31337";
export const kToken = `0x${"5f".repeat(20)}`;
export const kCoin = `0x${"00".repeat(20)}`;
export const kEscrow = `0x${"40".repeat(20)}`;
const kNobody = "0x";
const kOrigin = "log.millrace.example";

const hex = (bytes) => `0x${Buffer.from(bytes).toString("hex")}`;
const unhex = (text) => Buffer.from(text.slice(2), "hex");
const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const keccak = (...parts) => Buffer.from(keccak_256(Buffer.concat(parts.map((part) => Buffer.from(part)))));
const word = (value) => Buffer.from(BigInt(value).toString(16).padStart(64, "0"), "hex");
export const filled = (byte, length) => hex(Buffer.alloc(length, byte));

/** A key for vouchers, made of one byte. */
export function wallet(byte) {
  const secret = Buffer.alloc(32, byte);
  const address = hex(keccak(secp256k1.getPublicKey(secret, false).subarray(1)).subarray(12));
  return { secret, address };
}

/** A key for tree heads, made of one byte. */
export function logKey(byte, name = kOrigin) {
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, byte)]);
  const secret = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  const raw = createPublicKey(secret).export({ format: "der", type: "spki" }).subarray(-32);
  const typed = Buffer.concat([Buffer.of(1), raw]);
  const hash = sha256(Buffer.from(`${name}\n`), typed).subarray(0, 4);
  return { name, secret, hash, text: `${name}+${hash.toString("hex")}+${typed.toString("base64")}` };
}

export function noteOf(key, size, root, previous, origin = key.name) {
  const text = `${origin}\n${size}\n${root.toString("base64")}\nprevious ${previous}\n`;
  const signature = sign(null, Buffer.from(text), key.secret);
  return `${text}\n— ${key.name} ${Buffer.concat([key.hash, signature]).toString("base64")}\n`;
}

const domain = keccak(
  keccak("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
  keccak("x402 Batch Settlement"), keccak("1"), word(31337), word(kEscrow),
);

function channelIdOf(config) {
  const type = "ChannelConfig(address payer,address payerAuthorizer,address receiver," +
    "address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)";
  const { payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt } = config;
  const words = [payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt].map(word);
  return hex(keccak(Buffer.from("1901", "hex"), domain, keccak(keccak(type), ...words)));
}

export function signVoucher(secret, channelId, max) {
  const type = keccak("Voucher(bytes32 channelId,uint128 maxClaimableAmount)");
  const digest = keccak(Buffer.from("1901", "hex"), domain, keccak(type, word(channelId), word(max)));
  const signature = secp256k1.sign(digest, secret);
  return `0x${signature.toCompactHex()}${(27 + signature.recovery).toString(16)}`;
}

export function contentOf(letter, amount, inferenceId, detail) {
  return hex(keccak(letter, word(amount), inferenceId, Buffer.of(0), detail).subarray(0, 16));
}

// The leaf, table by table: name in the entry, record type, and the fields with their kinds.
const kRecords = [
  ["payments", 1, "channelId:b inferenceId:t step:i kind:t content:b amount:i increment:i charged:i reserved:i " +
    "signedMax:i balance:i voucherMax:i signature:b coveredBy:i detail:t channelMonth:t at:m"],
  ["transfers", 2, "leg:i network:t token:b debitKind:t debitOwner:b creditKind:t creditOwner:b amount:i cause:t " +
    "firstSeq:i reversesSeq:i reversesLeg:i at:m"],
  ["chainEvents", 3, "network:t transactionHash:b logIndex:i inclusion:i blockNumber:i blockHash:b kind:t " +
    "channelId:b amount:i requestedAt:i withdrawAmount:i at:m"],
  ["openings", 4, "channelId:b network:t blockNumber:i blockHash:b balance:i totalClaimed:i"],
  ["reversals", 5, "eventSeq:i at:m"],
  ["events", 6, "topic:t name:t network:t token:b channelId:b receiver:b data:t at:m"],
].map(([list, type, fields]) => [list, type, fields.split(" ").map((field) => field.split(":"))]);

/** Every field of every table: [list, name, kind]. */
export const kFields = kRecords.flatMap(([list, , fields]) => fields.map(([name, kind]) => [list, name, kind]));

function u(bytes, value) {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, Math.max(0, bytes - 6), Math.min(6, bytes));
  return buffer;
}

function fieldBytes(kind, value) {
  if (kind === "b") return unhex(value);
  if (kind === "m") {
    const seconds = Date.parse(`${value.slice(0, 19)}Z`) / 1000;
    return Buffer.from(String(seconds * 1_000_000 + Number(value.slice(20, 26))));
  }
  return Buffer.from(value);
}

export function leafOf(seq, entry) {
  const records = kRecords.flatMap(([list, type, fields]) => (entry[list] ?? []).map((row) =>
    Buffer.concat([u(1, type), u(1, fields.length), ...fields.flatMap(([name, kind]) => {
      if (row[name] === undefined) return [u(4, 0xffffffff)];
      const value = fieldBytes(kind, row[name]);
      return [u(4, value.length), value];
    })])));
  return sha256(Buffer.of(0, 1), u(8, seq), u(2, records.length), ...records);
}

/** The definition of RFC 6962, over hashes of leaves. */
export function rootOf(hashes) {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0];
  let k = 1;
  while (2 * k < hashes.length) k *= 2;
  return sha256(Buffer.of(1), rootOf(hashes.slice(0, k)), rootOf(hashes.slice(k)));
}

/** Roots of the perfect subtrees that begin … end − 1 is cut into. */
function subtrees(hashes, begin, end) {
  const roots = [];
  for (let at = begin, width; at < end; at += width) {
    width = 1;
    while (at % (2 * width) === 0 && at + 2 * width <= end) width *= 2;
    roots.push(hex(rootOf(hashes.slice(at, at + width))));
  }
  return roots;
}

const stringify = (row) => JSON.stringify(row, (_, value) => (typeof value === "bigint" ? String(value) : value));

export class Ledger {
  key = logKey(7);
  entries = [];
  leaves = [];
  /** [{size, root, note}] */
  heads = [];
  /** Rows under numbers that were never given out: [{table, seq, key}] */
  strays = [];
  channels = [];
  assets = [
    { network: kNetwork, token: kToken, name: "USD Coin", symbol: "USDC", decimals: 6, contract: kEscrow },
    { network: kNetwork, token: kCoin, name: "Ether", symbol: "ETH", decimals: 18, contract: kEscrow },
  ];
  clock = Date.UTC(2026, 0, 1);

  get seq() {
    return this.entries.length;
  }

  now() {
    this.clock += 1;
    return new Date(this.clock).toISOString().replace("Z", "123Z");
  }

  channel({ payer, authorizer, receiver = filled(0xaa, 20), salt, voucherSigner = "key", app }) {
    const config = {
      payer: payer.address, payerAuthorizer: authorizer?.address ?? kCoin, receiver,
      receiverAuthorizer: filled(0xbb, 20), token: kToken, withdrawDelay: 900, salt: filled(salt, 32),
    };
    const channel = {
      channelId: channelIdOf(config), config, app, voucherSigner, secret: (authorizer ?? payer).secret,
      openedAt: this.now(), status: "pending", balance: 0n, charged: 0n, owed: 0n, reserved: 0n,
      refunding: 0n, refundsBegun: 0n, inDoubt: "false", signedMax: 0n, signature: undefined,
      totalClaimed: 0n, withdrawRequestedAt: 0, refundNonce: 0n, seq: 0n,
      open: new Map(), unposted: 0n, firstUnposted: 0,
    };
    this.channels.push(channel);
    return channel;
  }

  /** One number more. */
  entry(rows) {
    this.entries.push(rows);
    this.leaves.push(leafOf(this.seq, rows));
    return this.seq;
  }

  sealHead() {
    const root = rootOf(this.leaves);
    const previous = this.heads.at(-1)?.size ?? 0;
    this.heads.push({ size: this.seq, root, note: noteOf(this.key, this.seq, root, previous) });
    return this.seq;
  }

  copy() {
    const { entries, leaves, heads, channels, assets } = this;
    const copy = Object.assign(new Ledger(), structuredClone({ entries, heads, channels, assets }));
    copy.leaves = leaves.map((leaf) => Buffer.from(leaf));
    for (const head of copy.heads) head.root = Buffer.from(head.root);
    return copy;
  }

  // --- payments -------------------------------------------------------------------------------

  /** `voucher`: {max, isSigned, coveredBy}; `post`: whether the batch ends here for the channel. */
  payment(channel, kind, inferenceId, amount, { letter, step = 0, change, voucher, post = true, detail = "{}" }) {
    const seq = this.seq + 1;
    if (voucher && voucher.max > channel.signedMax) {
      channel.signedMax = voucher.max;
      channel.signature = signVoucher(channel.secret, channel.channelId, voucher.max);
    }
    channel.charged += change.charged;
    channel.reserved += change.reserved;
    channel.seq = BigInt(seq);
    const evidence = !voucher ? {} : {
      voucherMax: String(voucher.max),
      ...(voucher.coveredBy
        ? { coveredBy: String(voucher.coveredBy) }
        : { signature: signVoucher(channel.secret, channel.channelId, voucher.max) }),
    };
    const row = {
      channelId: channel.channelId, inferenceId, step: String(step), kind,
      content: contentOf(letter, amount, inferenceId, detail), amount: String(amount),
      increment: String(change.charged), charged: String(channel.charged), reserved: String(channel.reserved),
      signedMax: String(channel.signedMax), balance: String(channel.balance), ...evidence, detail,
      channelMonth: "2026-01-01", at: this.now(),
    };
    if (change.charged > 0n) {
      if (channel.unposted === 0n) channel.firstUnposted = seq;
      channel.unposted += change.charged;
      channel.owed = channel.charged;
    }
    const transfers = post && channel.unposted > 0n ? [this.posting(channel)] : [];
    return this.entry({ payments: [row], ...(transfers.length ? { transfers } : {}) });
  }

  posting(channel) {
    const transfer = this.transfer(0, "payment", ["channel", channel.channelId],
      ["earned", channel.config.receiver], channel.unposted, { firstSeq: channel.firstUnposted });
    channel.unposted = 0n;
    return transfer;
  }

  pay(channel, inferenceId, amount, options = {}) {
    const voucher = { max: channel.charged + channel.reserved + amount, ...options.voucher };
    const change = { charged: amount, reserved: 0n };
    return this.payment(channel, "pay", inferenceId, amount, { letter: "p", change, ...options, voucher });
  }

  authorize(channel, inferenceId, amount, options = {}) {
    channel.open.set(inferenceId, { max: amount, charged: 0n, steps: 1 });
    const voucher = options.noVoucher
      ? undefined
      : { max: channel.charged + channel.reserved + amount, ...options.voucher };
    const change = { charged: 0n, reserved: amount };
    return this.payment(channel, "authorize", inferenceId, amount, { letter: "a", change, ...options, voucher });
  }

  charge(channel, inferenceId, amount, { isFinal = false, ...options } = {}) {
    const one = channel.open.get(inferenceId);
    const increment = amount - one.charged;
    const rest = isFinal ? one.max - amount : 0n;
    const change = { charged: increment, reserved: -increment - rest };
    const step = one.steps;
    one.charged = amount;
    one.steps += 1;
    if (isFinal) channel.open.delete(inferenceId);
    const letter = isFinal ? "c" : "i";
    return this.payment(channel, "charge", inferenceId, amount, { letter, step, change, ...options });
  }

  release(channel, inferenceId) {
    const one = channel.open.get(inferenceId);
    channel.open.delete(inferenceId);
    const change = { charged: 0n, reserved: one.charged - one.max };
    return this.payment(channel, "release", inferenceId, 0n, { letter: "r", step: one.steps, change });
  }

  // --- the chain ------------------------------------------------------------------------------

  transfer(leg, cause, [debitKind, debitOwner], [creditKind, creditOwner], amount, more = {}) {
    const { firstSeq = this.seq + 1, token = kToken, ...rest } = more;
    return {
      leg: String(leg), network: kNetwork, token, debitKind, debitOwner, creditKind, creditOwner,
      amount: String(amount), cause, firstSeq: String(firstSeq), ...rest, at: this.now(),
    };
  }

  chainEvent(kind, amount, more = {}) {
    const number = this.seq + 1;
    return {
      network: kNetwork, transactionHash: filled(number, 32), logIndex: "0", inclusion: "0",
      blockNumber: String(1000 + number), blockHash: filled(number + 1, 32), kind, amount: String(amount),
      requestedAt: "0", withdrawAmount: "0", ...more, at: this.now(),
    };
  }

  dataOf(channel, name, amount) {
    return {
      name, amount: String(amount), channelId: channel.channelId, network: kNetwork, contract: kEscrow,
      config: channel.config, app: channel.app ?? null, status: channel.status, balance: String(channel.balance),
      chargedCumulativeAmount: String(channel.charged), reservedAmount: String(channel.reserved),
      refundingAmount: String(channel.refunding), signedMaxClaimable: String(channel.signedMax),
      signature: channel.signature ?? null, totalClaimed: String(channel.totalClaimed),
      withdrawRequestedAt: channel.withdrawRequestedAt, refundNonce: String(channel.refundNonce),
    };
  }

  event(channel, name, amount = 0n) {
    channel.seq = BigInt(this.seq + 1);
    return {
      topic: "channel", name, network: kNetwork, token: kToken, channelId: channel.channelId,
      receiver: channel.config.receiver, data: JSON.stringify(this.dataOf(channel, name, amount)), at: this.now(),
    };
  }

  settlementEvent(receiver, name) {
    return {
      topic: "settlement", name, network: kNetwork, token: kToken, receiver,
      data: JSON.stringify({ name, status: "confirmed" }), at: this.now(),
    };
  }

  /** A log about a channel, what it does to the channel, and its transfer. */
  onChain(channel, kind, amount, cause, debit, credit, name, change, more = {}) {
    Object.assign(channel, change);
    return this.entry({
      transfers: [this.transfer(0, cause, debit, credit, amount)],
      chainEvents: [this.chainEvent(kind, amount, { channelId: channel.channelId, ...more })],
      events: [this.event(channel, name, amount)],
    });
  }

  deposit(channel, amount) {
    const change = { balance: channel.balance + amount, status: "open" };
    return this.onChain(channel, "deposited", amount, "deposit", ["escrow", kNobody],
      ["channel", channel.channelId], "topped_up", change);
  }

  opening(channel, balance, totalClaimed) {
    Object.assign(channel, { balance, totalClaimed, charged: totalClaimed, status: "open" });
    // What was claimed elsewhere before was claimed with a voucher.
    if (totalClaimed > 0n) {
      channel.signedMax = totalClaimed;
      channel.signature = signVoucher(channel.secret, channel.channelId, totalClaimed);
    }
    const number = this.seq + 1;
    return this.entry({
      transfers: [this.transfer(0, "deposit", ["escrow", kNobody], ["channel", channel.channelId],
        balance - totalClaimed)],
      openings: [{
        channelId: channel.channelId, network: kNetwork, blockNumber: "990", blockHash: filled(number, 32),
        balance: String(balance), totalClaimed: String(totalClaimed),
      }],
      events: [this.event(channel, "opened", balance)],
    });
  }

  claim(channel, amount) {
    const { receiver } = channel.config;
    return this.onChain(channel, "claimed", amount, "claim", ["earned", receiver], ["claimed", receiver], "claimed",
      { totalClaimed: channel.totalClaimed + amount });
  }

  settle(receiver, amount, settled = amount) {
    return this.entry({
      transfers: settled > 0n
        ? [this.transfer(0, "settle", ["claimed", receiver], ["escrow", kNobody], settled)] : undefined,
      chainEvents: [this.chainEvent("settled", amount)],
      events: [this.settlementEvent(receiver, "settled")],
    });
  }

  fee(amount) {
    return this.entry({
      transfers: [this.transfer(0, "fee", ["gas", kNobody], ["wallet", kNobody], amount, { token: kCoin })],
      chainEvents: [this.chainEvent("fee", amount)],
    });
  }

  refund(channel, amount) {
    return this.onChain(channel, "refunded", amount, "refund", ["channel", channel.channelId], ["escrow", kNobody],
      "refunded", { balance: channel.balance - amount, refundNonce: channel.refundNonce + 1n, refunding: 0n });
  }

  withdrawalBegins(channel, amount) {
    Object.assign(channel, { status: "closing", withdrawRequestedAt: 1767225600 });
    return this.entry({
      chainEvents: [this.chainEvent("withdraw_initiated", amount,
        { channelId: channel.channelId, requestedAt: "1767225600" })],
      events: [this.event(channel, "closing", amount)],
    });
  }

  withdrawalEnds(channel, amount) {
    channel.open.clear();
    return this.onChain(channel, "withdraw_finalized", amount, "withdrawal", ["channel", channel.channelId],
      ["escrow", kNobody], "withdrawn",
      { balance: channel.balance - amount, status: "closed", reserved: 0n, withdrawRequestedAt: 0 },
      { requestedAt: "1767225600", withdrawAmount: String(amount) });
  }

  /** The chain takes back a deposit. */
  reverse(channel, seq) {
    const [original] = this.entries[seq - 1].transfers;
    const amount = BigInt(original.amount);
    channel.balance -= amount;
    channel.inDoubt = "true";
    return this.entry({
      transfers: [this.transfer(0, "reversal", [original.creditKind, original.creditOwner],
        [original.debitKind, original.debitOwner], amount, { reversesSeq: String(seq), reversesLeg: "0" })],
      reversals: [{ eventSeq: String(seq), at: this.now() }],
      events: [this.event(channel, "reversed", amount)],
    });
  }

  // --- the export -----------------------------------------------------------------------------

  /** What only the owner of the log's key can do: all leaves and heads are those of the rows again. */
  reseal() {
    this.leaves = this.entries.map((rows, i) => leafOf(i + 1, rows));
    this.heads = this.heads.map(({ size }, i) => {
      const root = rootOf(this.leaves.slice(0, size));
      return { size, root, note: noteOf(this.key, size, root, this.heads[i - 1]?.size ?? 0) };
    });
  }

  accountsTo(seq) {
    const accounts = new Map();
    const add = ({ network, token, amount }, kind, owner, side) => {
      const name = `${network} ${token} ${kind} ${owner}`;
      const account = accounts.get(name) ?? { network, token, kind, owner, debits: 0n, credits: 0n };
      account[side] += BigInt(amount);
      accounts.set(name, account);
    };
    for (const { transfers = [] } of this.entries.slice(0, seq)) {
      for (const row of transfers) {
        add(row, row.debitKind, row.debitOwner, "debits");
        add(row, row.creditKind, row.creditOwner, "credits");
      }
    }
    return [...accounts.values()];
  }

  lines({ from = 1, to = this.seq } = {}) {
    const seq = this.seq;
    const lines = [{
      type: "header", format: "millrace-export/2", from: String(from), to: String(to), seq: String(seq),
      at: this.now(), origin: this.key.name, key: this.key.text,
    }];
    for (const asset of this.assets) lines.push({ type: "asset", ...asset });
    for (const channel of this.channels) {
      const { secret, open, unposted, firstUnposted, ...rest } = channel;
      const { channelId, config, ...figures } = rest;
      lines.push({ type: "channel", channelId, network: kNetwork, token: config.token, config, ...figures,
        withdrawRequestedAt: String(channel.withdrawRequestedAt) });
    }
    for (const { channelId, open } of this.channels) {
      for (const [inferenceId, { max, charged, steps }] of open) {
        lines.push({ type: "reservation", channelId, inferenceId, maxAmount: max, charged, steps: String(steps) });
      }
    }
    if (from > 1) {
      for (const account of this.accountsTo(from - 1)) lines.push({ type: "opening_balance", ...account });
    }
    for (const stray of this.strays) lines.push({ type: "stray", ...stray });
    const newest = this.heads.at(-1);
    const size = newest?.size ?? 0;
    for (let number = from; number <= to; number += 1) {
      const leaf = number <= (this.leavesTo ?? size) ? { leaf: hex(this.leaves[number - 1]) } : {};
      lines.push({ type: "entry", seq: String(number), ...leaf, ...this.entries[number - 1] });
      const head = this.heads.find((one) => one.size === number);
      if (head) lines.push({ type: "checkpoint", size: String(head.size), root: hex(head.root), note: head.note });
    }
    const accounts = to === seq ? this.accounts ?? this.accountsTo(seq) : [];
    for (const account of accounts) lines.push({ type: "account", ...account });
    lines.push({
      type: "proof", size: String(size), root: newest ? hex(newest.root) : "0x", note: newest?.note ?? "",
      left: subtrees(this.leaves, 0, Math.min(from - 1, size)), right: subtrees(this.leaves, Math.min(to, size), size),
    });
    return lines.map(stringify);
  }
}

/** The file of these lines, with its trailer. */
export function fileOf(lines) {
  const text = lines.map((line) => `${line}\n`).join("");
  const trailer = { type: "trailer", lines: lines.length, sha256: sha256(Buffer.from(text)).toString("hex") };
  return Buffer.from(`${text}${JSON.stringify(trailer)}\n`);
}
