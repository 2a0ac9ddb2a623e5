/** The rule `posting`: transfers, and what they are for. */
import { type Account, type Accounts, kKinds, nameOf } from "./accounts.ts";
import type { Channel } from "./channel.ts";
import type { Row } from "./fields.ts";
import type { At, Findings, Place, Rule } from "./finding.ts";

/** A transfer that a chain event or an opening has to have. */
interface Expected {
  cause: string;
  debit: string;
  credit: string;
  amount: bigint;
  place: Place;
}

/** A transfer that a reversal may turn round: as few as the chain has events, and what follows of them. */
interface Leg {
  debit: string;
  credit: string;
  amount: bigint;
  isReversed: boolean;
}

/** What the chain itself did: turned round when it is undone. */
const kChainCauses = ["deposit", "claim", "settle", "withdrawal", "refund", "fee"];
/** Consequences in the channel, which by then may have others: turned round only where it comes to that. */
const kAdjustments = ["charged_after_the_fact", "uncollectable", "recharged"];
const kCauses = [...kChainCauses, ...kAdjustments, "payment", "reversal"];
/** Says of the transfer at hand what is wrong with it. */
type Wrong = (explanation: string) => void;

const kNobody = "0x";
const kCoin = `0x${"00".repeat(20)}`;

export class Postings {
  private readonly findings: Findings;
  private readonly channels: ReadonlyMap<string, Channel>;
  private readonly assets: ReadonlySet<string>;
  private readonly from: number;
  private readonly accounts: Accounts;
  private readonly legs = new Map<string, Leg>();
  /** Keys of the legs of a number that are undone together with it. */
  private readonly legsOf = new Map<number, string[]>();

  constructor(
    findings: Findings, accounts: Accounts, channels: ReadonlyMap<string, Channel>,
    assets: ReadonlySet<string>, from: number,
  ) {
    this.findings = findings;
    this.accounts = accounts;
    this.channels = channels;
    this.assets = assets;
    this.from = from;
  }

  private fail(rule: Rule, place: Place, explanation: string): void {
    this.findings.add(rule, place, explanation);
  }

  /** The transfers of one number, after its payments and events were applied. */
  apply(
    transfers: readonly Row[], chainEvents: readonly Row[], openings: readonly Row[],
    reversals: readonly Row[], events: readonly Row[], at: At,
  ): void {
    if (transfers.length + chainEvents.length + openings.length + reversals.length + events.length === 0) return;
    const seq = at.seq!;
    const expected = this.expectedOf(chainEvents, openings, at);
    const fees = chainEvents.filter(({ kind, amount }) => !kKnownKinds.includes(kind!) && amount !== "0");
    const settled = chainEvents.filter(({ kind }) => kind === "settled");
    const undone = new Set(reversals.map(({ eventSeq }) => Number(eventSeq)));
    this.unsettled(settled.length - transfers.filter(({ cause }) => cause === "settle").length, events, at);
    const touched = new Set<Account>();
    for (const row of transfers) {
      const place = { ...at, table: "transfer", key: row.leg! };
      this.posting(row, seq, place, expected, fees, settled, undone);
      this.ends(row, place);
      this.accounts.move(row, touched);
      if (kChainCauses.includes(row.cause!) || kAdjustments.includes(row.cause!)) this.keep(row, seq);
    }
    for (const { cause, amount, place } of expected) {
      this.fail("posting", place, `it has no ${cause} of ${amount}`);
    }
    for (const row of fees) {
      const key = `${row.network}/${row.transactionHash}/${row.logIndex}/${row.inclusion}`;
      this.fail("posting", { ...at, table: "chain_event", key }, `it has no fee of ${row.amount}`);
    }
    this.completeReversals(undone, at);
    this.accounts.assertNotNegative(touched, at);
    if (this.from > 1) return;
    const ids = new Set(events.map(({ channelId }) => channelId));
    for (const { kind, owner } of touched) if (kind === "channel") ids.add(owner);
    for (const id of ids) this.channelHolds(id, at);
  }

  /** An account of a channel holds what it has not been charged, and what is charged but not posted. */
  private channelHolds(id: string | undefined, at: At): void {
    const channel = id === undefined ? undefined : this.channels.get(id);
    if (!channel) return;
    const name = nameOf(channel.network, channel.token, "channel", channel.id);
    const holds = this.accounts.balance(name);
    const { balance, charged, unposted } = channel;
    if (holds === balance - charged + unposted) return;
    const figures = `balance ${balance}, charged ${charged}, not posted ${unposted}`;
    const place = { ...at, table: "account", key: name };
    this.fail("balance", place, `it holds ${holds}, and the channel has ${figures}`);
  }

  private expectedOf(
    chainEvents: readonly Row[], openings: readonly Row[], at: At,
  ): Expected[] {
    const expected: Expected[] = [];
    for (const row of chainEvents) {
      const key = `${row.network}/${row.transactionHash}/${row.logIndex}/${row.inclusion}`;
      const place = { ...at, table: "chain_event", key };
      const amount = BigInt(row.amount!);
      if (amount < 0n) this.fail("posting", place, "the amount is negative");
      const cause = kCauseOf[row.kind!];
      if (cause === undefined && row.channelId === undefined) continue;
      const accounts = this.accountsOf(cause ?? "none", row, place);
      if (accounts && cause !== undefined && amount !== 0n) expected.push({ cause, ...accounts, amount, place });
    }
    for (const row of openings) {
      const place = { ...at, table: "channel_opening", key: row.channelId! };
      const amount = BigInt(row.balance!) - BigInt(row.totalClaimed!);
      if (amount < 0n) this.fail("posting", place, "totalClaimed is above the balance");
      const accounts = this.accountsOf("deposit", row, place);
      if (accounts && amount > 0n) expected.push({ cause: "deposit", ...accounts, amount, place });
    }
    return expected;
  }

  private accountsOf(cause: string, row: Row, place: Place): { debit: string; credit: string } | undefined {
    const channel = row.channelId === undefined ? undefined : this.channels.get(row.channelId);
    if (!channel || channel.network !== row.network) {
      this.fail("channel", place, "it is of a channel that is not there");
      return undefined;
    }
    const { id, network, token, config } = channel;
    const name = (kind: string, owner: string) => nameOf(network, token, kind, owner);
    const escrow = name("escrow", kNobody);
    const held = name("channel", id);
    if (cause === "deposit") return { debit: escrow, credit: held };
    if (cause === "claim") {
      return { debit: name("earned", config.receiver), credit: name("claimed", config.receiver) };
    }
    return { debit: held, credit: escrow };
  }

  private posting(
    row: Row, seq: number, place: Place, expected: Expected[], fees: Row[], settled: Row[],
    undone: ReadonlySet<number>,
  ): void {
    const wrong = (explanation: string) => this.fail("posting", place, explanation);
    const { cause, network, token, debitKind, creditKind } = row as Record<string, string>;
    const amount = BigInt(row.amount!);
    if (!kCauses.includes(cause!)) return wrong(`there is no cause ${JSON.stringify(cause)}`);
    if (amount <= 0n) return wrong("a transfer moves something");
    if (Number(row.firstSeq) < 1 || Number(row.firstSeq) > seq) return wrong("firstSeq is not up to its number");
    if (!this.assets.has(`${network}:${token}`) && token !== kCoin) return wrong("its asset is not there");
    if (cause === "reversal" && (row.reversesSeq === undefined || row.reversesLeg === undefined)) {
      return wrong("a reversal names the leg that it turns round");
    }
    if (cause !== "reversal" && (row.reversesSeq ?? row.reversesLeg) !== undefined) {
      return wrong("only a reversal names a leg");
    }
    const debit = nameOf(network!, token!, debitKind!, row.debitOwner!);
    const credit = nameOf(network!, token!, creditKind!, row.creditOwner!);
    switch (cause) {
      case "payment": return this.payment(row, seq, amount, debit, credit, wrong);
      case "charged_after_the_fact":
      case "recharged": return void this.between(row.debitOwner!, debit, credit, wrong);
      case "uncollectable": return void this.between(row.creditOwner!, credit, debit, wrong);
      case "reversal": return this.reversal(row, debit, credit, amount, undone, wrong);
      case "settle": return this.settle(row, debit, credit, amount, settled, wrong);
      case "fee": return this.fee(row, debit, credit, fees, wrong);
    }
    const index = expected.findIndex((one) =>
      one.cause === cause && one.amount === amount && one.debit === debit && one.credit === credit);
    if (index < 0) return wrong(`no chain event or opening of the number asks for this ${cause}`);
    expected.splice(index, 1);
  }

  private between(id: string, held: string, earned: string, wrong: Wrong): Channel | undefined {
    const channel = this.channels.get(id);
    if (!channel) {
      wrong("it is of a channel that is not there");
      return undefined;
    }
    const { network, token, config } = channel;
    const isRight = held === nameOf(network, token, "channel", id) &&
      earned === nameOf(network, token, "earned", config.receiver);
    if (!isRight) wrong("it is not between the channel and what its receiver earned");
    return isRight ? channel : undefined;
  }

  private payment(
    row: Row, seq: number, amount: bigint, debit: string, credit: string, wrong: Wrong,
  ): void {
    const channel = this.between(row.debitOwner!, debit, credit, wrong);
    if (!channel) return;
    const first = Number(row.firstSeq);
    // What a transfer sums that begins before the export is not in it.
    const isWhole = first >= this.from || this.from === 1;
    if (first > seq || first <= channel.lastPosted) wrong(`firstSeq ${first} is not behind the transfer before`);
    else if (channel.unposted !== 0n && first > channel.firstUnposted) {
      wrong(`the increment of ${channel.firstUnposted} is in no transfer`);
    } else if (isWhole && amount !== channel.unposted) {
      wrong(`the increments from ${first} to ${seq} are ${channel.unposted}, not ${amount}`);
    }
    channel.unposted = 0n;
    channel.lastPosted = seq;
  }

  private reversal(
    row: Row, debit: string, credit: string, amount: bigint, undone: ReadonlySet<number>,
    wrong: Wrong,
  ): void {
    const number = Number(row.reversesSeq);
    if (!undone.has(number)) return wrong(`the number does not undo ${number}`);
    if (number < this.from && this.from > 1) return;
    const leg = this.legs.get(`${number}:${row.reversesLeg}`);
    if (!leg) return wrong(`there is no leg ${number}:${row.reversesLeg} to turn round`);
    if (leg.isReversed) wrong(`${number}:${row.reversesLeg} is turned round already`);
    leg.isReversed = true;
    if (leg.debit !== credit || leg.credit !== debit || leg.amount !== amount) {
      wrong(`it is not ${number}:${row.reversesLeg} turned round`);
    }
  }

  private completeReversals(undone: ReadonlySet<number>, at: At): void {
    for (const number of undone) {
      const missing = this.legsOf.get(number)?.find((key) => !this.legs.get(key)!.isReversed);
      const place = { ...at, table: "chain_reversal", key: String(number) };
      if (missing !== undefined) this.fail("posting", place, `${missing} is not turned round`);
    }
  }

  /** Whoever settles moves all that the receiver has in the escrow, also what was claimed elsewhere. */
  private settle(
    row: Row, debit: string, credit: string, amount: bigint, settled: Row[],
    wrong: Wrong,
  ): void {
    const { network, token } = row as Record<string, string>;
    const index = settled.findIndex((event) => event.network === network && BigInt(event.amount!) >= amount);
    if (index < 0) return wrong("no settled event of the number has as much");
    settled.splice(index, 1);
    const isRight = row.debitKind === "claimed" && credit === nameOf(network!, token!, "escrow", kNobody);
    if (!isRight) wrong(`a settle is not from ${debit} to ${credit}`);
  }

  /** A settled event without a transfer is right only if nothing of its receiver was claimed here. */
  private unsettled(missing: number, events: readonly Row[], at: At): void {
    if (missing <= 0) return;
    for (const { topic, network, token, receiver } of events) {
      if (topic !== "settlement") continue;
      const claimed = this.accounts.balance(nameOf(network!, token!, "claimed", receiver!));
      if (claimed <= 0n) continue;
      const place = { ...at, table: "chain_event", key: "settled" };
      this.fail("posting", place, `it has no settle, and ${claimed} of ${receiver} are claimed`);
    }
  }

  private fee(row: Row, debit: string, credit: string, fees: Row[], wrong: Wrong): void {
    const { network } = row as Record<string, string>;
    const index = fees.findIndex((event) => event.network === network && event.amount === row.amount);
    if (index < 0) return wrong("no event of the number has this fee");
    fees.splice(index, 1);
    const isRight = debit === nameOf(network!, kCoin, "gas", kNobody) &&
      credit === nameOf(network!, kCoin, "wallet", kNobody);
    if (!isRight) wrong(`a fee is not from ${debit} to ${credit}`);
  }

  private ends(row: Row, place: Place): void {
    const { debitKind, debitOwner, creditKind, creditOwner } = row as Record<string, string>;
    for (const kind of [debitKind!, creditKind!]) {
      if (!kKinds.includes(kind)) this.fail("posting", place, `there is no kind ${JSON.stringify(kind)} of accounts`);
    }
    if (debitKind === creditKind && debitOwner === creditOwner) {
      this.fail("posting", place, "a transfer is between two accounts");
    }
  }

  private keep(row: Row, seq: number): void {
    const { network, token, debitKind, debitOwner, creditKind, creditOwner } = row as Record<string, string>;
    const key = `${seq}:${row.leg}`;
    this.legs.set(key, {
      debit: nameOf(network!, token!, debitKind!, debitOwner!),
      credit: nameOf(network!, token!, creditKind!, creditOwner!),
      amount: BigInt(row.amount!),
      isReversed: false,
    });
    if (!kChainCauses.includes(row.cause!)) return;
    const others = this.legsOf.get(seq);
    if (others) others.push(key);
    else this.legsOf.set(seq, [key]);
  }

  /** At the end of the log everything that was charged is posted. */
  finishChannel(channel: Channel, at: { line: number; seq: number }): void {
    if (channel.unposted !== 0n) {
      const place = { seq: channel.firstUnposted, table: "payment", key: channel.id, line: at.line };
      this.fail("posting", place, `the increments from here on, ${channel.unposted}, are in no transfer`);
      return;
    }
    if (channel.isKnown) this.channelHolds(channel.id, at);
  }
}

const kCauseOf: Record<string, string> = {
  deposited: "deposit", claimed: "claim", refunded: "refund", withdraw_finalized: "withdrawal",
};
const kKnownKinds = [...Object.keys(kCauseOf), "settled", "withdraw_initiated"];
