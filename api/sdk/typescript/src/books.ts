/**
 * The payer's own books of one channel. What is signed next follows from them alone; what the service says is
 * held against them. Results come in any order and are held against bounds at once; events come in the order
 * of the ledger and have to follow from each other exactly.
 */
import { sum } from "./amounts.js";
import type { ChannelState, Figures, Payment } from "./channel_state.js";
import { ServerMismatch } from "./errors.js";

export type Kind = "pay" | "authorize";

interface Request {
  kind: Kind;
  amount: bigint;
  /** The voucher that it was sent with. */
  voucher: bigint;
  /** The id may have been used by an earlier life of this client. */
  mayRepeat: boolean;
  answer: Payment | undefined;
  /** In the events, which may come before the answer. */
  event: Payment | undefined;
}

interface Reservation {
  max: bigint;
  charged: bigint;
}

export interface Watcher {
  /** No more will be charged for it. */
  ended(inferenceId: string, amount: bigint): void;
}

/** The service's names of the figures. */
const kFigures = [
  ["charged", "chargedCumulativeAmount"],
  ["reserved", "reservedAmount"],
  ["signedMax", "signedMaxClaimable"],
  ["balance", "balance"],
] as const;
/** Of events that say what became of the chain: their figures are new ones. */
const kOfTheChain: readonly string[] = ["reversed", "reopened", "reconciled"];

function demand(holds: boolean, field: string, message: string): void {
  if (!holds) throw new ServerMismatch(field, message);
}

export class Books {
  readonly #watcher: Watcher;
  readonly #requests = new Map<string, Request>();
  readonly #open = new Map<string, Reservation>();
  /** Every voucher that may be the highest one accepted. */
  readonly #vouchers = new Set<bigint>();
  readonly #adoptedSeq: bigint;
  /** The highest vouchers of before this client's time. */
  readonly #before: { accepted: bigint; signed: bigint };
  #seq: bigint;
  #charged: bigint;
  #reserved: bigint;
  #balance: bigint;
  /** Reserved before this client's time, and not known one by one. */
  #reservedBefore: bigint;
  /** Signed for before this client's time, and not in the figures: it may be on its way still. */
  #onTheWay: bigint;
  #deposit = 0n;
  #refund = 0n;

  /** `signed`: the highest voucher ever signed. Before this, whose signature the channel holds was looked at. */
  constructor(found: ChannelState, seq: bigint, signed: bigint, watcher: Watcher) {
    this.#watcher = watcher;
    this.#adoptedSeq = seq;
    this.#before = { accepted: found.signedMax, signed };
    this.#seq = seq;
    this.#charged = found.charged;
    this.#reserved = found.reserved;
    this.#balance = found.balance;
    this.#refund = found.refunding;
    const listed = found.reservations ?? [];
    for (const { inferenceId, amount, charged } of listed)
      this.#open.set(inferenceId, { max: amount, charged });
    this.#reservedBefore = found.reserved - sum(listed.map(({ amount, charged }) => amount - charged));
    const promised = found.charged + found.reserved;
    demand(
      this.#reservedBefore >= 0n,
      "reservations",
      "the open reservations are more than what is reserved",
    );
    demand(
      promised <= found.signedMax,
      "chargedCumulativeAmount",
      `${promised} is charged and reserved, and ${found.signedMax} signed`,
    );
    demand(
      promised <= found.balance,
      "balance",
      `${promised} is charged and reserved of a balance of ${found.balance}`,
    );
    demand(
      found.totalClaimed <= found.charged,
      "totalClaimed",
      `${found.totalClaimed} is claimed, and ${found.charged} charged`,
    );
    this.#onTheWay = signed - promised;
    this.#vouchers.add(found.signedMax).add(signed);
  }

  get charged(): bigint {
    return this.#charged;
  }
  get reserved(): bigint {
    return this.#reserved;
  }
  get balance(): bigint {
    return this.#balance;
  }
  /** What can be promised in all. */
  get available(): bigint {
    return this.#balance - this.#refund;
  }
  get isIdle(): boolean {
    return this.#requests.size === 0;
  }
  /** What vouchers have to cover: everything charged, reserved and asked for. */
  get promised(): bigint {
    const asked = [...this.#requests.values()].filter(({ event }) => !event).map(({ amount }) => amount);
    return this.#charged + this.#reserved + sum(asked);
  }

  isOpen(inferenceId: string): boolean {
    return this.#open.has(inferenceId);
  }

  signed(voucher: bigint): void {
    this.#vouchers.add(voucher);
  }

  ask(inferenceId: string, kind: Kind, amount: bigint, voucher: bigint, mayRepeat: boolean): void {
    this.#requests.set(inferenceId, {
      kind,
      amount,
      voucher,
      mayRepeat,
      answer: undefined,
      event: undefined,
    });
  }

  /** The request was refused, or never left. */
  drop(inferenceId: string): void {
    const request = this.#requests.get(inferenceId);
    this.#requests.delete(inferenceId);
    demand(!request?.event, "inferenceId", `${inferenceId} was refused, and is in the ledger`);
  }

  /** Gives false for the repeated answer to what an earlier life of this client has paid. */
  answer(inferenceId: string, answer: Payment): boolean {
    const request = this.#requests.get(inferenceId);
    if (!request) return false;
    demand(
      answer.inferenceId === inferenceId,
      "inferenceId",
      `${answer.inferenceId} is the answer to ${inferenceId}`,
    );
    demand(answer.amount === request.amount, "amount", `${answer.amount} is the answer to ${request.amount}`);
    if (request.event) {
      this.#requests.delete(inferenceId);
      this.#demandSame(answer, request.event);
      return true;
    }
    if (answer.seq <= this.#adoptedSeq && request.mayRepeat) {
      this.#requests.delete(inferenceId);
      return false;
    }
    demand(answer.seq > this.#seq, "seq", `${answer.seq} is before ${this.#seq}, which is known`);
    this.#demandWithin(request, answer);
    request.answer = answer;
    return true;
  }

  /** An event of topic `payment` of this channel. */
  payment(name: string, event: Payment): void {
    if (event.seq <= this.#seq) return;
    this.#demandVoucher(event);
    demand(
      event.balance === this.#balance,
      "balance",
      `${event.balance} after a payment, and ${this.#balance} before it`,
    );
    if (name === "paid" || name === "authorized") this.#opened(name === "paid" ? "pay" : "authorize", event);
    else if (name === "charged") this.#chargedFor(event);
    else if (name === "released") this.#released(event);
    else throw new ServerMismatch("name", `${JSON.stringify(name)} is no payment event`);
    this.#take(event, event.seq);
    this.#forgetVouchers(event.signedMax);
  }

  /** An event of topic `channel` of this channel. */
  channel(name: string, amount: bigint, after: ChannelState, seq: bigint): void {
    if (seq <= this.#seq) return;
    demand(
      after.charged + after.reserved <= after.balance,
      "balance",
      `${after.balance} is less than what is charged and reserved`,
    );
    if (kOfTheChain.includes(name)) {
      this.#endAll();
      this.#refund = after.refunding;
      return this.#take(after, seq);
    }
    this.#demandVoucher(after);
    demand(
      after.charged === this.#charged,
      "chargedCumulativeAmount",
      `${after.charged} after ${name}, and ${this.#charged} before it`,
    );
    demand(
      after.reserved === this.#reserved || after.reserved === 0n,
      "reservedAmount",
      `${after.reserved} after ${name}, and ${this.#reserved} before it`,
    );
    demand(
      after.totalClaimed <= after.charged,
      "totalClaimed",
      `${after.totalClaimed} is claimed, and ${after.charged} charged`,
    );
    if (name === "topped_up" || name === "opened") {
      demand(
        amount === this.#deposit || (this.#deposit === 0n && after.balance === this.#balance),
        "amount",
        `${amount} came in, and ${this.#deposit} was deposited`,
      );
      demand(
        after.balance === this.#balance + this.#deposit,
        "balance",
        `${after.balance} after a deposit of ${amount}, and ${this.#balance} before it`,
      );
      this.#deposit = 0n;
    } else if (name === "refunded" || name === "withdrawn") {
      demand(
        after.balance === this.#balance - amount,
        "balance",
        `${after.balance} after ${amount} went out, and ${this.#balance} before it`,
      );
    } else {
      demand(
        after.balance === this.#balance,
        "balance",
        `${after.balance} after ${name}, and ${this.#balance} before it`,
      );
    }
    this.#refund = after.refunding;
    if (after.reserved === 0n) this.#endAll();
    this.#take(after, seq);
  }

  /** A deposit of so much is signed, and may arrive from now on. */
  expectDeposit(amount: bigint): void {
    this.#deposit = amount;
  }

  /** Holds a channel object against the books. `seq` is that of its newest update. */
  compare(found: ChannelState, seq: bigint): void {
    this.#demandVoucher(found);
    demand(
      found.totalClaimed <= found.charged,
      "totalClaimed",
      `${found.totalClaimed} is claimed, and ${found.charged} charged`,
    );
    demand(seq >= this.#seq, "seq", `the channel is as of ${seq}, and ${this.#seq} is known`);
    if (seq > this.#seq) return;
    this.#demandFigures(found, {
      charged: this.#charged,
      reserved: this.#reserved,
      signedMax: found.signedMax,
      balance: this.#balance,
    });
  }

  #opened(kind: Kind, event: Payment): void {
    const { inferenceId, amount } = event;
    const request = this.#requests.get(inferenceId);
    if (request) {
      demand(
        request.kind === kind && request.amount === amount,
        "amount",
        `${amount} for ${inferenceId}, which asked to ${request.kind} ${request.amount}`,
      );
      demand(
        event.signedMax >= request.voucher,
        "signedMaxClaimable",
        `${event.signedMax} after a voucher of ${request.voucher}`,
      );
      if (request.answer) {
        this.#requests.delete(inferenceId);
        this.#demandSame(event, request.answer);
      } else {
        request.event = event;
      }
    } else {
      demand(
        amount <= this.#onTheWay,
        "inferenceId",
        `${inferenceId} over ${amount} is none of this client's`,
      );
      this.#onTheWay -= amount;
    }
    const reserved = kind === "authorize" ? amount : 0n;
    this.#demandMoved(event, amount - reserved, reserved);
    if (kind === "authorize") this.#open.set(inferenceId, { max: amount, charged: 0n });
  }

  #chargedFor(event: Payment): void {
    const { inferenceId, amount } = event;
    const reservation = this.#open.get(inferenceId);
    if (!reservation) return this.#movedBefore(event);
    const { max, charged } = reservation;
    demand(
      amount >= charged && amount <= max,
      "amount",
      `${amount} is charged for ${inferenceId}, of ${max} with ${charged} charged`,
    );
    const increment = amount - charged;
    const isFinal = event.reserved === this.#reserved - (max - charged);
    this.#demandMoved(event, increment, isFinal ? charged - max : -increment);
    reservation.charged = amount;
    if (isFinal) this.#end(inferenceId, amount);
  }

  #released(event: Payment): void {
    const reservation = this.#open.get(event.inferenceId);
    if (!reservation) return this.#movedBefore(event);
    const { max, charged } = reservation;
    this.#demandMoved(event, 0n, charged - max);
    this.#end(event.inferenceId, charged);
  }

  /** Of a reservation that is not known by itself: it takes from what was reserved before. */
  #movedBefore(event: Payment): void {
    const increment = event.charged - this.#charged;
    const freed = this.#reserved - event.reserved;
    demand(
      increment >= 0n && increment <= freed,
      "chargedCumulativeAmount",
      `${event.charged} after ${this.#charged}, with ${freed} less reserved`,
    );
    demand(freed <= this.#reservedBefore, "reservedAmount", `${event.inferenceId} has no reservation`);
    this.#reservedBefore -= freed;
  }

  #end(inferenceId: string, amount: bigint): void {
    this.#open.delete(inferenceId);
    this.#watcher.ended(inferenceId, amount);
  }

  #endAll(): void {
    this.#reservedBefore = 0n;
    for (const [inferenceId, { charged }] of [...this.#open]) this.#end(inferenceId, charged);
  }

  #take(figures: Figures, seq: bigint): void {
    this.#charged = figures.charged;
    this.#reserved = figures.reserved;
    this.#balance = figures.balance;
    this.#seq = seq;
  }

  /** What an answer may say while events and other answers are on their way. */
  #demandWithin(request: Request, answer: Payment): void {
    const others = [...this.#requests.values()].filter((one) => one !== request && !one.event);
    // Those that are answered have their place; the rest may be before this one or behind it.
    const before = others.filter((one) => one.answer && one.answer.seq < answer.seq);
    const maybe = sum(others.filter((one) => !one.answer).map(({ amount }) => amount)) + this.#onTheWay;
    const amountOf = (kind: Kind) =>
      sum([...before, request].filter((one) => one.kind === kind).map(({ amount }) => amount));
    const { charged, reserved } = answer;
    const chargedMin = this.#charged + amountOf("pay");
    const reservedMax = this.#reserved + amountOf("authorize") + maybe;
    const reservedMin = request.kind === "authorize" ? request.amount : 0n;
    const totalMax = chargedMin + reservedMax;
    demand(!others.some((one) => one.answer?.seq === answer.seq), "seq", `${answer.seq} was given out twice`);
    demand(
      charged >= chargedMin,
      "chargedCumulativeAmount",
      `${charged}, and at least ${chargedMin} was charged`,
    );
    demand(
      reserved >= reservedMin && reserved <= reservedMax,
      "reservedAmount",
      `${reserved}, and ${reservedMin} to ${reservedMax} can be`,
    );
    demand(
      charged + reserved <= totalMax,
      "chargedCumulativeAmount",
      `${charged}, with ${reserved} reserved, and at most ${totalMax} was ever authorized`,
    );
    demand(
      answer.signedMax >= request.voucher,
      "signedMaxClaimable",
      `${answer.signedMax} after a voucher of ${request.voucher}`,
    );
    this.#demandVoucher(answer);
    const balances = [
      this.#balance,
      this.#balance + this.#deposit,
      this.#balance - this.#refund,
      this.#balance + this.#deposit - this.#refund,
    ];
    demand(balances.includes(answer.balance), "balance", `${answer.balance}, and it is ${this.#balance}`);
  }

  /** The highest voucher is one that this client has signed, and covers the figures. */
  #demandVoucher({ signedMax, charged, reserved }: Figures): void {
    const isFromBefore =
      this.#onTheWay > 0n && signedMax > this.#before.accepted && signedMax <= this.#before.signed;
    demand(
      this.#vouchers.has(signedMax) || isFromBefore,
      "signedMaxClaimable",
      `${signedMax} was never signed`,
    );
    demand(
      charged + reserved <= signedMax,
      "chargedCumulativeAmount",
      `${charged + reserved} is charged and reserved, and ${signedMax} signed`,
    );
  }

  #demandMoved(event: Payment, charged: bigint, reserved: bigint): void {
    const { inferenceId } = event;
    const now = { charged: this.#charged + charged, reserved: this.#reserved + reserved };
    demand(
      event.charged === now.charged,
      "chargedCumulativeAmount",
      `${event.charged} after ${inferenceId}, which makes ${now.charged}`,
    );
    demand(
      event.reserved === now.reserved,
      "reservedAmount",
      `${event.reserved} after ${inferenceId}, which makes ${now.reserved}`,
    );
  }

  #demandSame(a: Payment, b: Payment): void {
    demand(a.seq === b.seq, "seq", `${a.inferenceId} has two places in the ledger, ${a.seq} and ${b.seq}`);
    this.#demandFigures(a, b);
  }

  #demandFigures(a: Figures, b: Figures): void {
    for (const [figure, name] of kFigures)
      demand(a[figure] === b[figure], name, `${name} is ${a[figure]}, and ${b[figure]} elsewhere`);
  }

  /** What the ledger has gone past: the highest accepted voucher never falls. */
  #forgetVouchers(below: bigint): void {
    for (const voucher of this.#vouchers) {
      if (voucher >= below) return;
      this.#vouchers.delete(voucher);
    }
  }
}
