/** The rule `channel`: a channel's line, as of the snapshot, beside what its rows came to. */
import type { Channel, Snapshot } from "./channel.ts";
import type { Findings, Place } from "./finding.ts";
import type { Payments } from "./payments.ts";

export interface Range {
  from: number;
  to: number;
  /** The newest number of the snapshot. */
  seq: number;
}

type Figure = bigint | string | undefined;

export function compareSnapshot(
  channel: Channel, range: Range, findings: Findings, payments: Payments, line: number,
): void {
  const { snapshot } = channel;
  const place = { seq: snapshot.seq, table: "channel", key: channel.id, line };
  const wrong = (explanation: string) => findings.add("channel", place, explanation);
  if (snapshot.seq > range.seq) return wrong(`seq is ${snapshot.seq}, and the newest number ${range.seq}`);
  // Its last row is behind the exported ones.
  const isOut = snapshot.seq > range.to;
  if (isOut && range.to < range.seq) return checkSignature(channel, findings, payments, place);
  if (channel.lastSeq !== 0) {
    const { lastSeq } = channel;
    if (snapshot.seq !== lastSeq) return wrong(`seq is ${snapshot.seq}, and its last row ${lastSeq}`);
    return compareFigures(channel, range, findings, payments, place);
  }
  if (range.from > 1) {
    if (snapshot.seq >= range.from) return wrong(`seq is ${snapshot.seq}, which has no row of it`);
    return checkSignature(channel, findings, payments, place);
  }
  if (snapshot.seq !== 0 || !isZero(snapshot)) wrong("it has figures, and not a single row");
}

function isZero(snapshot: Snapshot): boolean {
  const { balance, charged, owed, reserved, refunding, refundsBegun, signedMax, totalClaimed } = snapshot;
  const figures = balance | charged | owed | reserved | refunding | refundsBegun | signedMax | totalClaimed;
  if (snapshot.inDoubt !== "false") return false;
  const texts = [snapshot.withdrawRequestedAt, snapshot.refundNonce];
  const isEmpty = snapshot.signature === undefined && snapshot.reservations === undefined;
  return figures === 0n && isEmpty && texts.every((text) => text === "0");
}

function compareFigures(
  channel: Channel, range: Range, findings: Findings, payments: Payments, place: Place,
): void {
  const { snapshot } = channel;
  const rows: [string, Figure, Figure][] = [
    ["balance", snapshot.balance, channel.balance],
    ["charged", snapshot.charged, channel.charged],
    ["reserved", snapshot.reserved, channel.reserved],
    ["signedMax", snapshot.signedMax, channel.signedMax],
    ["refunding", snapshot.refunding, channel.refunding],
    ["totalClaimed", snapshot.totalClaimed, channel.totalClaimed],
    ["owed", snapshot.owed, channel.owed],
    ["refundsBegun", snapshot.refundsBegun, channel.refundsBegun],
    ["inDoubt", snapshot.inDoubt, channel.inDoubt],
  ];
  if (channel.hadEvent) {
    rows.push(
      ["status", snapshot.status, channel.status],
      ["app", snapshot.app, channel.app],
      ["withdrawRequestedAt", snapshot.withdrawRequestedAt, channel.withdrawRequestedAt],
      ["refundNonce", snapshot.refundNonce, channel.refundNonce],
    );
  }
  let differs = false;
  for (const [name, stored, told] of rows) {
    if (stored === told || (told === undefined && name !== "app")) continue;
    differs = true;
    findings.add("channel", place, `${name} is ${stored ?? "not there"}, and its rows come to ${told ?? "none"}`);
  }
  if (channel.signature !== undefined && snapshot.signature !== channel.signature) {
    differs = true;
    findings.add("channel", place, "the signature is not that of its rows");
  }
  if (!differs) checkSignature(channel, findings, payments, place);
  compareReservations(channel, range, findings, place);
}

function checkSignature(channel: Channel, findings: Findings, payments: Payments, place: Place): void {
  const { signedMax, signature } = channel.snapshot;
  if ((signature === undefined) !== (signedMax === 0n)) {
    findings.add("evidence", place, "signedMax and signature are there only together");
  } else if (signature !== undefined && (signature !== channel.signature || signedMax !== channel.signedMax)) {
    payments.checkSignature(channel, signedMax, signature, place);
  }
}

function compareReservations(channel: Channel, range: Range, findings: Findings, place: Place): void {
  const stored = channel.snapshot.reservations ?? new Map<string, never>();
  const placeOf = (id: string) => ({ ...place, table: "reservation", key: `${channel.id}/${id}` });
  for (const [id, { max, charged, steps, maybeEnded }] of channel.open) {
    const one = stored.get(id);
    if (!one && maybeEnded) continue;
    if (!one) findings.add("channel", placeOf(id), "an open reservation is not there");
    else if ((max !== undefined && one.max !== max) || one.charged !== charged || one.steps !== steps) {
      const rows = `maxAmount ${max ?? "unknown"}, charged ${charged}, steps ${steps}`;
      findings.add("channel", placeOf(id), `its rows come to ${rows}`);
    }
  }
  // What was opened before the export begins may be open still.
  if (range.from > 1) return;
  for (const id of stored.keys()) {
    if (!channel.open.has(id)) findings.add("channel", placeOf(id), "no row opens it, or one ends it");
  }
}
