#include "ledger/audit/verify/replay.hpp"

#include "ledger/audit/verify/postings.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

using channel::Amount;

std::string text(Amount amount) {
    return channel::to_string(amount);
}

std::string key_of(const AuditedPayment& payment) {
    return channel::to_hex(payment.channel->id) + ' ' + payment.inference;
}

/// The last part of an account's key.
std::string_view owner_of(std::string_view account) {
    return account.substr(account.rfind(' ') + 1);
}

std::string_view kind_of(std::string_view account) {
    account = account.substr(0, account.rfind(' '));
    return account.substr(account.rfind(' ') + 1);
}

bool is_adjustment(std::string_view cause) {
    return cause == "charged_after_the_fact" || cause == "recharged" || cause == "uncollectable";
}

}  // namespace

void Replay::fail(std::string rule, std::string table, std::string key,
                  std::string explanation) const {
    broken(std::move(rule), std::move(table), std::move(key), std::move(explanation), seq_);
}

void Replay::add_reservation(const channel::ChannelId& channel, std::string inference,
                             Amount max_amount, Amount charged, std::uint64_t steps) {
    const auto key = channel::to_hex(channel) + ' ' + inference;
    const Reservation told{max_amount, charged, steps};
    if (!reservations_[channel].try_emplace(std::move(inference), told).second)
        broken("format", "reservation", key, "the reservation is told twice");
}

void Replay::take(const AuditedEntry& entry) {
    seq_ = entry.seq;
    for (const auto& payment : entry.payments) pay(payment);
    for (const auto& event : entry.events) take_event(entry, event);
    note_undoing(entry);
    for (const auto& transfer : entry.transfers) post(entry, transfer);
    check_undone(entry);
}

void Replay::pay(const AuditedPayment& payment) {
    auto& live = live_[payment.channel->id];
    auto expected = live.figures;
    follow_kind(payment, live);
    const auto charged = channel::add(expected.charged, payment.increment);
    if (!charged || *charged != payment.charged)
        fail("payment", "payment", key_of(payment),
             "charged " + text(expected.charged) + " + " + text(payment.increment) + " is not " +
                 text(payment.charged));
    if (payment.balance != expected.balance)
        fail("payment", "payment", key_of(payment),
             "the balance was " + text(expected.balance) + ", not " + text(payment.balance));
    check_evidence(payment, live);
    if (payment.voucher_max)
        note_signature(*payment.channel, live, *payment.voucher_max, payment.signature);
    live.figures.charged = payment.charged;
    live.figures.reserved = payment.reserved;
    live.figures.signed_max = payment.signed_max;
    live.seq = seq_;
    if (!payment.increment.is_zero()) {
        if (live.unposted.is_zero()) live.unposted_from = seq_;
        live.unposted = channel::add(live.unposted, payment.increment).value();
        live.figures.owed = payment.charged;
    }
}

/// Amounts and reservations, by the kind of the payment.
void Replay::follow_kind(const AuditedPayment& payment, Live& live) {
    const auto wrong = [&](const std::string& what) {
        fail("payment", "payment", key_of(payment), what);
    };
    auto reserved = live.figures.reserved.units();
    const bool opens = payment.kind == 'p' || payment.kind == 'a';
    if (opens) {
        if (payment.step != 0) wrong("it opens an inference, but not as step 0");
        if (!live.inferences.insert(payment.inference).second)
            fail("inference", "payment", key_of(payment), "the inference was opened before");
    }
    if (payment.kind == 'p') {
        if (payment.increment != payment.amount) wrong("it is not charged what it pays");
    } else if (payment.kind == 'a') {
        if (!payment.increment.is_zero()) wrong("an authorization charges nothing");
        live.open[payment.inference] = {payment.amount, {}, 1};
        reserved += payment.amount.units();
    } else {
        const auto found = live.open.find(payment.inference);
        if (found == live.open.end()) wrong("nothing is reserved for the inference");
        auto& reservation = found->second;
        reservation.may_be_over = false;
        if (payment.step != reservation.steps) wrong("its step is out of turn");
        if (payment.kind != 'r') {
            const auto increment = channel::subtract(payment.amount, reservation.charged);
            if (!increment || *increment != payment.increment)
                wrong("its increment is not what it adds to the inference's charges");
            if (payment.amount > reservation.max_amount)
                fail("authorization", "payment", key_of(payment),
                     "it charges " + text(payment.amount) + " of " + text(reservation.max_amount) +
                         " authorized");
            reservation.charged = payment.amount;
            ++reservation.steps;
        } else if (!payment.increment.is_zero() || !payment.amount.is_zero()) {
            wrong("a release charges nothing");
        }
        reserved -= payment.increment.units();
        if (payment.kind != 'i') {
            reserved -= reservation.max_amount.units() - reservation.charged.units();
            live.open.erase(found);
        }
    }
    if (payment.reserved.units() != reserved)
        wrong("reserved should be " + text(Amount{reserved}) + ", not " + text(payment.reserved));
}

void Replay::check_evidence(const AuditedPayment& payment, Live& live) {
    const auto unsound = [&](std::string rule, const std::string& what) {
        fail(std::move(rule), "payment", key_of(payment), what);
    };
    const bool opens = payment.kind == 'p' || payment.kind == 'a';
    if ((payment.kind == 'p' && !payment.voucher_max) || (!opens && payment.voucher_max))
        unsound("evidence", "it has to have a voucher exactly if it pays or authorizes");
    auto signed_max = live.figures.signed_max;
    if (payment.voucher_max) signed_max = std::max(signed_max, *payment.voucher_max);
    if (payment.signed_max != signed_max)
        unsound("authorization",
                "the highest voucher is " + text(signed_max) + ", not " + text(payment.signed_max));
    const auto used = channel::add(payment.charged, payment.reserved);
    const bool charges = opens || !payment.increment.is_zero();
    const auto needed = opens ? used : channel::Result<Amount>(payment.charged);
    if (!used || *used > payment.balance)
        unsound("authorization", "charged and reserved are more than the balance");
    if (charges && *needed > payment.signed_max)
        unsound("authorization", "more is charged or reserved than the payer has signed for");
    if (payment.covered_by != 0) {
        if (payment.covered_by <= seq_)
            unsound("evidence", "it is covered by a payment that came before");
        live.covered.push_back({seq_, payment.covered_by, *payment.voucher_max});
    }
    if (live.covered.empty()) return;
    for (const auto& covered : live.covered) {
        if (covered.by < seq_ ||
            (covered.by == seq_ &&
             (payment.signature.empty() || *payment.voucher_max < covered.voucher_max)))
            broken("evidence", "payment", channel::to_hex(payment.channel->id),
                   "payment " + std::to_string(covered.by) + " does not cover it", covered.seq);
    }
    std::erase_if(live.covered, [this](const Covered& covered) { return covered.by == seq_; });
}

void Replay::note_signature(const AuditedChannel& audited, Live& live, Amount max,
                            const channel::Bytes& signature) {
    if (audited.is_signed_by_key || signature.empty() || max < live.figures.signed_max) return;
    if (max > live.figures.signed_max) live.signatures.clear();
    live.signatures.insert(signature);
}

void Replay::take_event(const AuditedEntry& entry, const AuditedEvent& event) {
    auto& live = live_[event.channel->id];
    const auto& before = live.figures;
    const auto expect = [&](Amount was, Amount amount, bool more, Amount is,
                            const std::string& what) {
        const auto should = more ? channel::add(was, amount) : channel::subtract(was, amount);
        if (!should || *should != is)
            fail("event", "event", channel::to_hex(event.channel->id),
                 what + " was " + text(was) + " and is " + text(is) + " after " + text(amount) +
                     (more ? " more" : " less"));
    };
    const auto key = channel::to_hex(event.channel->id);
    const auto after = channel::add(event.charged, event.reserved);
    if (!after || *after > event.balance)
        fail("authorization", "event", key, "charged and reserved are more than the balance");
    if (event.reserved != before.reserved && !event.reserved.is_zero())
        fail("event", "event", key, "reservations stay, or all of them go");
    for (const auto& opening : entry.openings)
        if (opening.channel == event.channel->id &&
            (opening.balance != event.balance || opening.total_claimed != event.total_claimed))
            fail("event", "event", key, "its figures are not those of the opening");
    const bool is_moved =
        !entry.chain_events.empty() || !entry.openings.empty() || !entry.reversals.empty();
    if (!is_moved &&
        (event.balance != before.balance || event.total_claimed != before.total_claimed))
        fail("event", "event", key, "balance and claimed total change with the chain alone");
    for (const auto& chain : entry.chain_events) {
        if (chain.channel != event.channel->id) continue;
        if (chain.kind == "deposited")
            expect(before.balance, chain.amount, true, event.balance, "the balance");
        else if (chain.kind == "claimed")
            expect(before.total_claimed, chain.amount, true, event.total_claimed,
                   "the claimed total");
        else if (chain.kind == "refunded" || chain.kind == "withdraw_finalized")
            expect(before.balance, chain.amount, false, event.balance, "the balance");
    }
    if (event.signed_max < before.signed_max)
        fail("event", "event", key, "the highest voucher went down");
    note_signature(*event.channel, live, event.signed_max, event.signature);
    const auto reserved_before = before.reserved;
    live.figures = {
        event.balance,      event.charged,       event.reserved,       event.refunding,
        event.signed_max,   event.total_claimed, event.status,         event.withdraw_requested_at,
        event.refund_nonce, before.owed,         before.refunds_begun, before.is_in_doubt};
    follow_name(event, live.figures);
    if (event.reserved.is_zero() && !reserved_before.is_zero()) live.open.clear();
    if (event.reserved.is_zero())
        for (auto& [inference, reservation] : live.open) reservation.may_be_over = true;
    live.seq = seq_;
}

void Replay::follow_name(const AuditedEvent& event, Figures& figures) {
    if (event.name == "refunding") ++figures.refunds_begun;
    if (event.name == "reversed" || event.name == "reopened") figures.is_in_doubt = true;
    if (event.name == "reconciled") figures.is_in_doubt = false;
}

void Replay::note_undoing(const AuditedEntry& entry) {
    for (const auto undone : entry.reversals) {
        const auto found = undoable_.find(undone);
        if (found == undoable_.end())
            fail("reversal", "chain_reversal", std::to_string(undone),
                 "no event of the chain has that number");
        if (found->second)
            fail("reversal", "chain_reversal", std::to_string(undone), "it was undone before");
        found->second = true;
    }
    if (!entry.chain_events.empty() || !entry.openings.empty()) undoable_[seq_] = false;
}

void Replay::post(const AuditedEntry& entry, const AuditedTransfer& transfer) {
    const auto key = "leg " + std::to_string(transfer.leg);
    if (transfer.amount.is_zero()) fail("posting", "transfer", key, "it moves nothing");
    if (transfer.cause == "payment") post_payments(transfer);
    if (transfer.cause == "reversal") reverse(entry, transfer);
    auto& debit = accounts_[transfer.debit].debits;
    auto& credit = accounts_[transfer.credit].credits;
    const auto debits = channel::add(debit, transfer.amount);
    const auto credits = channel::add(credit, transfer.amount);
    if (!debits || !credits) fail("balance", "transfer", key, "a sum passes 128 bits");
    debit = *debits;
    credit = *credits;
    if (transfer.cause != "payment")
        legs_[{seq_, transfer.leg}] = {transfer.debit, transfer.credit, transfer.amount,
                                       transfer.cause};
}

void Replay::post_payments(const AuditedTransfer& transfer) {
    const auto wrong = [&](const std::string& what) {
        fail("posting", "transfer", "leg " + std::to_string(transfer.leg), what);
    };
    const auto id = channel::parse_fixed<channel::ChannelId>(owner_of(transfer.debit));
    const auto audited = id ? channels_.find(*id) : channels_.end();
    if (audited == channels_.end()) wrong("there is no such channel");
    if (transfer.debit != channel_account(audited->second) ||
        transfer.credit != receiver_account(audited->second, "earned"))
        wrong("its accounts are not those of the channel");
    auto& live = live_[*id];
    if (live.unposted != transfer.amount || live.unposted_from != transfer.first_seq)
        wrong("payments from " + std::to_string(live.unposted_from) + " on have charged " +
              text(live.unposted) + ", and it posts " + text(transfer.amount) + " from " +
              std::to_string(transfer.first_seq) + " on");
    live.unposted = {};
}

void Replay::reverse(const AuditedEntry& entry, const AuditedTransfer& transfer) {
    const auto wrong = [&](const std::string& what) {
        fail("posting", "transfer", "leg " + std::to_string(transfer.leg), what);
    };
    if (!transfer.reverses) wrong("it does not say what it reverses");
    if (std::find(entry.reversals.begin(), entry.reversals.end(), transfer.reverses->first) ==
        entry.reversals.end())
        wrong("what it reverses is not undone by this number");
    const auto found = legs_.find(*transfer.reverses);
    if (found == legs_.end()) wrong("there is nothing where it refers to");
    auto& leg = found->second;
    if (leg.is_reversed) wrong("what it refers to was reversed before");
    if (leg.debit != transfer.credit || leg.credit != transfer.debit ||
        leg.amount != transfer.amount)
        wrong("it is not the leg that it refers to, turned round");
    leg.is_reversed = true;
}

/// What the chain took back has been reversed.
void Replay::check_undone(const AuditedEntry& entry) {
    for (const auto undone : entry.reversals)
        for (auto leg = legs_.lower_bound({undone, 0});
             leg != legs_.end() && leg->first.first == undone; ++leg)
            if (!leg->second.is_reversed && !is_adjustment(leg->second.cause) &&
                leg->second.cause != "reversal")
                fail("reversal", "transfer",
                     std::to_string(undone) + ":" + std::to_string(leg->first.second),
                     "its event was undone, and it was not reversed");
}

void Replay::check_account(const std::string& key, Amount debits, Amount credits) {
    auto& account = accounts_[key];
    if (account.is_told) broken("format", "account", key, "the account is told twice");
    account.is_told = true;
    if (account.debits != debits || account.credits != credits)
        broken("balance", "account", key,
               "its transfers add up to " + text(account.debits) + " debits and " +
                   text(account.credits) + " credits, it says " + text(debits) + " and " +
                   text(credits));
    const auto kind = kind_of(key);
    const bool is_asset = kind == "escrow" || kind == "gas";
    if (kind != "wallet" && (is_asset ? debits < credits : credits < debits))
        broken("balance", "account", key, "it is below zero");
}

/// Each that is told is open, with the same figures; each that is surely open is told.
bool Replay::are_open(const Reservations& told, const Reservations& replayed) {
    for (const auto& [inference, one] : told) {
        const auto found = replayed.find(inference);
        if (found == replayed.end() || found->second.max_amount != one.max_amount ||
            found->second.charged != one.charged || found->second.steps != one.steps)
            return false;
    }
    return std::all_of(replayed.begin(), replayed.end(), [&](const auto& one) {
        return one.second.may_be_over || told.contains(one.first);
    });
}

void Replay::finish() {
    for (const auto& [key, account] : accounts_)
        if (!account.is_told)
            broken("balance", "account", key, "it has transfers, and there is no such account");
    for (const auto& [id, audited] : channels_) {
        const auto key = channel::to_hex(id);
        const auto& live = live_[id];
        const auto& now = live.figures;
        const auto wrong = [&](const std::string& what) {
            broken("channel", "channel", key, what, live.seq);
        };
        if (!live.covered.empty())
            broken("evidence", "payment", key,
                   "payment " + std::to_string(live.covered.front().by) +
                       ", which is to cover it, is missing",
                   live.covered.front().seq);
        if (!live.unposted.is_zero())
            broken("posting", "payment", key, "its charges were not posted", live.unposted_from);
        if (now.balance != audited.balance) wrong("its balance is " + text(now.balance));
        if (now.charged != audited.charged) wrong("its charged total is " + text(now.charged));
        if (now.reserved != audited.reserved) wrong("its reserved total is " + text(now.reserved));
        if (now.refunding != audited.refunding) wrong("refunding is " + text(now.refunding));
        if (now.signed_max != audited.signed_max)
            wrong("its highest voucher is " + text(now.signed_max));
        if (!audited.is_signed_by_key && !audited.signature.empty() &&
            !live.signatures.contains(audited.signature))
            wrong("no row has its signature");
        if (now.total_claimed != audited.total_claimed)
            wrong("its claimed total is " + text(now.total_claimed));
        if (now.status != audited.status && live.seq != 0) wrong("its status is " + now.status);
        if (now.withdraw_requested_at != audited.withdraw_requested_at)
            wrong("its withdrawal was requested at " + std::to_string(now.withdraw_requested_at));
        if (now.refund_nonce != audited.refund_nonce)
            wrong("its refund nonce is " + std::to_string(now.refund_nonce));
        if (now.owed != audited.owed) wrong("what it owes is " + text(now.owed));
        if (now.refunds_begun != audited.refunds_begun)
            wrong("refunds begun are " + std::to_string(now.refunds_begun));
        if (now.is_in_doubt != audited.is_in_doubt)
            wrong(now.is_in_doubt ? "it is in doubt" : "it is not in doubt");
        if (live.seq != audited.seq) wrong("its last row is " + std::to_string(live.seq));
        if (!are_open(reservations_[id], live.open))
            broken("channel", "reservation", key, "its reservations are not the open ones",
                   live.seq);
        const auto& account = accounts_[channel_account(audited)];
        const auto unspent = channel::subtract(now.balance, now.charged);
        if (!unspent || channel::add(account.debits, *unspent) != account.credits)
            broken("balance", "account", channel_account(audited),
                   "it does not hold balance − charged of its channel", live.seq);
        reservations_.erase(id);
    }
    if (!reservations_.empty())
        broken("channel", "reservation", channel::to_hex(reservations_.begin()->first),
               "there is no such channel");
}

}  // namespace millrace::ledger
