/** A history with a bit of everything, as small as that can be. */
import { filled, leafOf, Ledger, wallet } from "./ledger.mjs";

export const kReceiver = filled(0xaa, 20);

function build() {
  const ledger = new Ledger();
  const a = ledger.channel({ payer: wallet(1), authorizer: wallet(2), salt: 1, app: "chat" });
  const b = ledger.channel({ payer: wallet(3), salt: 2 });
  const c = ledger.channel({ payer: wallet(4), salt: 3, voucherSigner: "contract" });
  ledger.channel({ payer: wallet(5), salt: 4 });
  const e = ledger.channel({ payer: wallet(6), salt: 5, receiver: filled(0xcc, 20) });
  const at = {};
  at.depositA = ledger.deposit(a, 10_000n);
  at.openB = ledger.opening(b, 5_000n, 700n);
  at.depositC = ledger.deposit(c, 1_000n);
  at.payA = ledger.pay(a, "a-1", 100n);
  at.coveredA = ledger.pay(a, "a-2", 50n, { post: false, voucher: { coveredBy: ledger.seq + 3 } });
  at.coveredA2 = ledger.pay(a, "a-3", 50n, { post: false, voucher: { coveredBy: ledger.seq + 2 } });
  at.coveringA = ledger.pay(a, "a-4", 50n);
  at.head1 = ledger.sealHead();
  at.authorizeA = ledger.authorize(a, "a-5", 500n);
  at.partialA = ledger.charge(a, "a-5", 200n);
  at.finalA = ledger.charge(a, "a-5", 350n, { isFinal: true });
  at.authorizeB = ledger.authorize(b, "b-1", 400n);
  at.quietB = ledger.authorize(b, "b-2", 0n, { noVoucher: true });
  at.releaseB = ledger.release(b, "b-1");
  at.payC = ledger.pay(c, "c-1", 10n);
  at.claimA = ledger.claim(a, 250n);
  at.settle = ledger.settle(kReceiver, 250n);
  at.fee = ledger.fee(21_000n);
  at.head2 = ledger.sealHead();
  at.topUpB = ledger.deposit(b, 2_000n);
  at.reversalB = ledger.reverse(b, at.topUpB);
  at.refundB = ledger.refund(b, 100n);
  at.depositE = ledger.deposit(e, 900n);
  at.authorizeE = ledger.authorize(e, "e-1", 100n);
  at.closingE = ledger.withdrawalBegins(e, 900n);
  at.withdrawE = ledger.withdrawalEnds(e, 900n);
  at.settleElsewhere = ledger.settle(filled(0xdd, 20), 77n, 0n);
  at.empty = ledger.entry({});
  at.openA = ledger.authorize(a, "a-6", 300n);
  at.partOfOpenA = ledger.charge(a, "a-6", 100n);
  at.head3 = ledger.sealHead();
  at.unsealed = ledger.pay(a, "a-7", 5n);
  return { ledger, at };
}

const original = build();
export const at = original.at;

/** The ledger anew, to be changed at will; `a` to `e` are its channels. */
export function history() {
  const ledger = original.ledger.copy();
  const [a, b, c, d, e] = ledger.channels;
  return { ledger, a, b, c, d, e };
}

/** The i-th row of a list of a number. */
export const row = ({ ledger }, seq, list, i = 0) => ledger.entries[seq - 1][list][i];
/** Changes of rows, to be made to a history. */
export const set = (seq, list, changes) => (h) => Object.assign(row(h, seq, list), changes);
export const drop = (seq, list) => ({ ledger }) => delete ledger.entries[seq - 1][list];
/** Makes a number's leaf that of its rows again. */
export const relog = ({ ledger }, seq) => {
  ledger.leaves[seq - 1] = leafOf(seq, ledger.entries[seq - 1]);
};
