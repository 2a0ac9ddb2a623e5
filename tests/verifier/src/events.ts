/** The rules `event` and `reversal`: what the chain and the service did to a channel besides payments. */
import type { Channel } from "./channel.ts";
import { checkFields, type Json, Malformed, type Row } from "./fields.ts";
import type { At, Findings, Place } from "./finding.ts";
import type { Payments } from "./payments.ts";
import { kConfig } from "./tables.ts";
import type { ChannelConfig } from "./typed_data.ts";

/** What a chain event or an opening did to a channel's figures, to be undone by a reversal. */
interface Effect {
  channelId: string;
  balance: bigint;
  totalClaimed: bigint;
}

interface Undoable {
  effects: Effect[];
  isUndone: boolean;
}

const kStatuses = ["pending", "open", "closing", "closed"];
const kAmount = /^(?:0|[1-9][0-9]{0,38})$/;

interface EventFigures {
  balance: bigint;
  charged: bigint;
  reserved: bigint;
  refunding: bigint;
  signedMax: bigint;
  totalClaimed: bigint;
  refundNonce: string;
  signature: string | undefined;
  withdrawRequestedAt: string;
  status: string;
  app: string | undefined;
  voucherSigner: string | undefined;
}

/** The figures in an event's data; throws Malformed for what is not there or not in its form. */
function figuresOf(data: { [name: string]: Json }): EventFigures {
  const amount = (name: string): bigint => {
    const value = data[name];
    if (typeof value !== "string" || !kAmount.test(value)) throw new Malformed(`data has no good ${name}`);
    return BigInt(value);
  };
  const { signature = null, withdrawRequestedAt, status, app = null } = data;
  if (signature !== null && (typeof signature !== "string" || !/^0x([0-9a-f]{2})+$/.test(signature))) {
    throw new Malformed("data has no good signature");
  }
  if (!Number.isSafeInteger(withdrawRequestedAt)) throw new Malformed("data has no good withdrawRequestedAt");
  if (typeof status !== "string" || !kStatuses.includes(status)) throw new Malformed("data has no good status");
  const { voucherSigner } = data;
  if (voucherSigner !== undefined && typeof voucherSigner !== "string") throw new Malformed("data has no good voucherSigner");
  if (app !== null && typeof app !== "string") throw new Malformed("data has no good app");
  return {
    balance: amount("balance"),
    charged: amount("chargedCumulativeAmount"),
    reserved: amount("reservedAmount"),
    refunding: amount("refundingAmount"),
    signedMax: amount("signedMaxClaimable"),
    totalClaimed: amount("totalClaimed"),
    refundNonce: String(amount("refundNonce")),
    signature: signature ?? undefined,
    withdrawRequestedAt: String(withdrawRequestedAt),
    status,
    app: app ?? undefined,
    voucherSigner,
  };
}

function isSameConfig(a: ChannelConfig, b: ChannelConfig): boolean {
  return kConfig.every(({ name }) => a[name as keyof ChannelConfig] === b[name as keyof ChannelConfig]);
}

export class Events {
  private readonly findings: Findings;
  private readonly payments: Payments;
  private readonly channels: ReadonlyMap<string, Channel>;
  private readonly from: number;
  /** By number; as many as the chain has events, which are few beside payments. */
  private readonly undoable = new Map<number, Undoable>();
  private readonly undoneBefore = new Set<number>();

  constructor(
    findings: Findings, payments: Payments, channels: ReadonlyMap<string, Channel>, from: number,
  ) {
    this.findings = findings;
    this.payments = payments;
    this.channels = channels;
    this.from = from;
  }

  apply(
    chainEvents: readonly Row[], openings: readonly Row[], reversals: readonly Row[], events: readonly Row[],
    at: At,
  ): void {
    if (chainEvents.length + openings.length + reversals.length + events.length === 0) return;
    const effects = [...chainEvents.flatMap(effectOfChainEvent), ...openings.map(effectOfOpening)];
    if (chainEvents.length + openings.length > 0) {
      this.undoable.set(at.seq!, { effects, isUndone: false });
    }
    const undone = reversals.flatMap((row) => this.undo(row, at));
    // What was undone may lie before the export: then nothing says how far the figures go back.
    const isFar = this.from > 1 && reversals.some(({ eventSeq }) => Number(eventSeq) < this.from);
    const all = isFar ? undefined : [...effects, ...undone];
    for (const row of events) {
      const place = { ...at, table: "event", key: row.channelId ?? row.topic! };
      this.event(row, all, openings, place);
    }
  }

  /** What a reversal does to the figures: the opposite of what the number did that it names. */
  private undo(row: Row, at: At): Effect[] {
    const number = Number(row.eventSeq);
    const place = { ...at, table: "chain_reversal", key: row.eventSeq! };
    if (number < this.from && this.from > 1) {
      if (this.undoneBefore.has(number)) this.findings.add("reversal", place, `${number} is undone already`);
      this.undoneBefore.add(number);
      return [];
    }
    const target = number < at.seq! ? this.undoable.get(number) : undefined;
    if (!target) {
      this.findings.add("reversal", place, `there is no chain event and no opening before it at ${number}`);
      return [];
    }
    if (target.isUndone) this.findings.add("reversal", place, `${number} is undone already`);
    target.isUndone = true;
    return target.effects.map(({ channelId, balance, totalClaimed }) =>
      ({ channelId, balance: -balance, totalClaimed: -totalClaimed }));
  }

  private event(row: Row, effects: readonly Effect[] | undefined, openings: readonly Row[], place: Place): void {
    const wrong = (explanation: string) => this.findings.add("event", place, explanation);
    if (row.topic !== "channel") {
      if (row.topic !== "settlement") wrong(`there is no topic ${JSON.stringify(row.topic)}`);
      return;
    }
    const channel = row.channelId === undefined ? undefined : this.channels.get(row.channelId);
    if (!channel) {
      this.findings.add("channel", place, "the event is of a channel that is not there");
      return;
    }
    const { network, token, config } = channel;
    if (row.network !== network || row.token !== token || row.receiver !== config.receiver) {
      wrong("network, token or receiver are not those of the channel");
    }
    let data: EventFigures;
    try {
      data = this.read(row.data!, channel);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      wrong(error.message);
      return;
    }
    if (data.voucherSigner !== undefined && (data.voucherSigner === "key") !== channel.signerIsKey) {
      wrong("voucherSigner is not that of the channel");
    }
    this.bounds(data, place);
    if (channel.isKnown) this.change(channel, data, effects, openings, row.channelId!, place);
    this.voucher(channel, data, place);
    adopt(channel, data, place.seq!);
    followName(channel, row.name!);
  }

  private read(text: string, channel: Channel): EventFigures {
    let data: Json;
    try {
      data = JSON.parse(text) as Json;
    } catch {
      throw new Malformed("data is not JSON");
    }
    if (typeof data !== "object" || data === null || Array.isArray(data)) {
      throw new Malformed("data is not a JSON object");
    }
    checkFields(data.config, kConfig, "the config in data");
    if (!isSameConfig(data.config as unknown as ChannelConfig, channel.config)) {
      throw new Malformed("the config in data is not the channel's");
    }
    if (data.channelId !== undefined && data.channelId !== channel.id) {
      throw new Malformed("the channelId in data is another");
    }
    return figuresOf(data);
  }

  private bounds(data: EventFigures, place: Place): void {
    const { balance, charged, reserved, totalClaimed } = data;
    if (totalClaimed > charged || charged > balance) {
      const figures = `totalClaimed ${totalClaimed}, charged ${charged}, balance ${balance}`;
      this.findings.add("event", place, `not in order: ${figures}`);
    } else if (charged + reserved > balance) {
      const sum = charged + reserved;
      this.findings.add("authorization", place, `charged and reserved are ${sum}, above the balance ${balance}`);
    }
  }

  private change(
    channel: Channel, data: EventFigures, effects: readonly Effect[] | undefined, openings: readonly Row[],
    id: string, place: Place,
  ): void {
    const wrong = (explanation: string) => this.findings.add("event", place, explanation);
    const opening = openings.find(({ channelId }) => channelId === id);
    let { balance } = channel;
    let totalClaimed = channel.totalClaimed;
    if (opening) {
      balance = BigInt(opening.balance!);
      totalClaimed = BigInt(opening.totalClaimed!);
    } else if (effects === undefined) {
      balance = data.balance;
      totalClaimed = undefined;
    } else {
      for (const effect of effects) {
        if (effect.channelId !== id) continue;
        balance += effect.balance;
        if (totalClaimed !== undefined) totalClaimed += effect.totalClaimed;
      }
    }
    if (data.balance !== balance) wrong(`balance is ${data.balance}, not ${balance}`);
    if (totalClaimed !== undefined && data.totalClaimed !== totalClaimed) {
      wrong(`totalClaimed is ${data.totalClaimed}, not ${totalClaimed}`);
    }
    if (data.reserved !== 0n && data.reserved !== channel.reserved) {
      wrong(`reservedAmount is ${data.reserved}, neither 0 nor the ${channel.reserved} before`);
    }
    if (data.signedMax < channel.signedMax) {
      wrong(`signedMaxClaimable is ${data.signedMax}, below the ${channel.signedMax} before`);
    }
    const isSameVoucher = data.signedMax === channel.signedMax && channel.signature !== undefined;
    if (isSameVoucher && data.signature !== channel.signature) {
      wrong("the signature is another than that of the same voucher before");
    }
  }

  private voucher(channel: Channel, data: EventFigures, place: Place): void {
    if ((data.signature === undefined) !== (data.signedMax === 0n)) {
      this.findings.add("evidence", place, "signedMaxClaimable and signature are there only together");
    } else if (data.signature !== undefined && data.signature !== channel.signature) {
      this.payments.checkSignature(channel, data.signedMax, data.signature, place);
    } else if (data.signature !== undefined && data.signedMax !== channel.signedMax) {
      this.payments.checkSignature(channel, data.signedMax, data.signature, place);
    }
  }
}

function adopt(channel: Channel, data: EventFigures, seq: number): void {
  if (data.reserved === 0n && channel.reserved !== 0n) channel.open.clear();
  else if (data.reserved === 0n) for (const reservation of channel.open.values()) reservation.maybeEnded = true;
  Object.assign(channel, data);
  channel.isKnown = true;
  channel.hadEvent = true;
  channel.lastSeq = seq;
}

function followName(channel: Channel, name: string): void {
  if (name === "refunding" && channel.refundsBegun !== undefined) channel.refundsBegun += 1n;
  if (name === "reversed" || name === "reopened") channel.inDoubt = "true";
  if (name === "reconciled") channel.inDoubt = "false";
}

function effectOfChainEvent(row: Row): Effect[] {
  if (row.channelId === undefined) return [];
  const amount = BigInt(row.amount!);
  const none = { channelId: row.channelId, balance: 0n, totalClaimed: 0n };
  switch (row.kind) {
    case "deposited": return [{ ...none, balance: amount }];
    case "claimed": return [{ ...none, totalClaimed: amount }];
    case "refunded":
    case "withdraw_finalized": return [{ ...none, balance: -amount }];
    default: return [];
  }
}

function effectOfOpening(row: Row): Effect {
  return {
    channelId: row.channelId!, balance: BigInt(row.balance!), totalClaimed: BigInt(row.totalClaimed!),
  };
}
