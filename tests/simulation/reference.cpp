#include "tests/simulation/reference.hpp"

namespace simulation {

using namespace millrace::channel;

Wide Reference::reserved() const {
    Wide sum;
    for (const auto& [id, open] : open_) sum += open.max - open.charged;
    return sum;
}

Reference::Verdict Reference::judge_new(const InferenceId& id, const Wide& amount) const {
    if (withdraw_requested_at_ != 0) return Error::channel_closing;
    if (resting_ != Status::open) return Error::channel_not_open;
    if (amount == 0) return Error::invalid_params;
    if (open_.contains(id.text())) return Error::idempotency_conflict;
    return std::nullopt;
}

Reference::Verdict Reference::judge_voucher(const Wide& max, const Wide& amount) const {
    if (max > books_.escrow()) return Error::cumulative_exceeds_balance;
    if (max <= books_.claimed()) return Error::cumulative_below_claimed;
    if (max < charged() + reserved() + amount) return Error::insufficient_voucher;
    return std::nullopt;
}

Reference::Verdict Reference::judge(const Pay& command) const {
    if (const auto verdict = judge_new(command.inference, wide(command.amount))) return verdict;
    return judge_voucher(wide(command.voucher.max_claimable), wide(command.amount));
}

Reference::Verdict Reference::judge(const Authorize& command) const {
    const Wide amount = wide(command.max_amount);
    if (const auto verdict = judge_new(command.inference, amount)) return verdict;
    if (open_.size() >= reservations_max_) return Error::too_many_in_flight;
    if (command.voucher) return judge_voucher(wide(command.voucher->max_claimable), amount);
    const Wide needed = charged() + reserved() + amount;
    if (needed > signed_max_) return Error::insufficient_voucher;
    if (needed > books_.escrow()) return Error::cumulative_exceeds_balance;
    return std::nullopt;
}

Reference::Verdict Reference::judge(const Accept& command) const {
    const Wide amount = wide(command.max_amount);
    if (const auto verdict = judge_new(command.inference, amount)) return verdict;
    if (!open_.empty()) return Error::channel_busy;
    const Wide exact = charged() + amount;
    if (exact <= kAmountMax && wide(command.voucher.max_claimable) != exact)
        return Error::cumulative_amount_mismatch;
    if (exact > books_.escrow()) return Error::cumulative_exceeds_balance;
    return std::nullopt;
}

Reference::Verdict Reference::judge(const Charge& command) const {
    if (withdraw_requested_at_ == 0 && resting_ != Status::open) return Error::channel_not_open;
    const auto found = open_.find(command.inference.text());
    if (found == open_.end()) return Error::reservation_unknown;
    const Wide more = wide(command.amount) - found->second.charged;
    if (wide(command.amount) > found->second.max) return Error::amount_exceeds_reservation;
    if (more < 0 || (more == 0 && command.finality == Finality::partial)) {
        return Error::invalid_params;
    }
    return std::nullopt;
}

Reference::Verdict Reference::judge(const Release& command) const {
    if (withdraw_requested_at_ == 0 && resting_ != Status::open) return Error::channel_not_open;
    if (!open_.contains(command.inference.text())) return Error::reservation_unknown;
    return std::nullopt;
}

void Reference::raise(const SignedVoucher& voucher) {
    if (wide(voucher.max_claimable) <= signed_max_) return;
    signed_max_ = wide(voucher.max_claimable);
    evidence_ = voucher.signature;
}

void Reference::record(const Pay& command) {
    pay_owed(wide(command.amount));
    raise(command.voucher);
}

void Reference::record(const Authorize& command) {
    open_[command.inference.text()] = Open{wide(command.max_amount), 0, 1};
    if (command.voucher) raise(*command.voucher);
}

void Reference::record(const Accept& command) {
    open_[command.inference.text()] = Open{wide(command.max_amount), 0, 1};
    raise(command.voucher);
}

void Reference::record(const Charge& command) {
    Open& open = open_.at(command.inference.text());
    pay_owed(wide(command.amount) - open.charged);
    open.charged = wide(command.amount);
    ++open.steps;
    if (command.finality == Finality::final) open_.erase(command.inference.text());
}

void Reference::record(const Release& command) {
    open_.erase(command.inference.text());
}

void Reference::pay_owed(const Wide& amount) {
    if (amount == 0) return;
    books_.post(Account::channel, Account::earned, amount);
    owed_ = charged();
}

/// What was lost before is charged first when there is money again.
void Reference::charge_owed(ChainEffect& effect) {
    const Wide more = std::min<Wide>(owed_ - charged(), books_.channel());
    if (more <= 0) return;
    books_.post(Account::channel, Account::earned, more);
    effect.recharged = nearest_amount(more);
}

ChainEffect Reference::go_back(const Escrow& earlier) {
    const Wide money = earlier.balance() - books_.escrow();
    const Wide unclaimed = books_.claimed() - earlier.claimed();
    ChainEffect effect;
    effect.moved = nearest_amount(money + unclaimed > 0 ? money + unclaimed : -money - unclaimed);
    books_.post(Account::claimed, Account::earned, unclaimed);
    const Wide beyond = std::min(books_.earned(), charged() - std::max(owed_, books_.claimed()));
    if (beyond > 0) {
        books_.post(Account::earned, Account::channel, beyond);
        effect.uncollectable = nearest_amount(beyond);
    }
    if (money >= 0) {
        books_.post(Account::escrow, Account::channel, money);
        charge_owed(effect);
    } else {
        const ChainEffect taken = take_out(-money);
        effect.uncollectable =
            nearest_amount(wide(effect.uncollectable) + wide(taken.uncollectable));
        effect.released = taken.released;
    }
    drop_if_uncovered(effect);
    withdraw_requested_at_ = earlier.pending_since();
    withdraw_amount_ = earlier.pending();
    refund_nonce_ = earlier.refund_nonce();
    in_doubt_ = true;
    if (withdraw_requested_at_ != 0) return effect;
    if (books_.escrow() == 0)
        resting_ = Status::pending;
    else
        close_if_empty(effect);
    return effect;
}

void Reference::drop(ChainEffect& effect) {
    effect.released = nearest_amount(reserved());
    open_.clear();
}

void Reference::drop_if_uncovered(ChainEffect& effect) {
    const Wide used = charged() + reserved();
    if (!open_.empty() && (used > books_.escrow() || used > signed_max_)) drop(effect);
}

ChainEffect Reference::take_out(const Wide& amount) {
    ChainEffect effect;
    effect.moved = nearest_amount(amount);
    if (amount > books_.channel()) {
        const Wide lost = amount - books_.channel();
        effect.uncollectable = nearest_amount(lost);
        books_.post(Account::earned, Account::channel, lost);
    }
    books_.post(Account::channel, Account::escrow, amount);
    drop_if_uncovered(effect);
    return effect;
}

void Reference::close_if_empty(ChainEffect& effect) {
    resting_ = books_.escrow() == books_.claimed() ? Status::closed : Status::open;
    if (resting_ == Status::closed && !open_.empty()) drop(effect);
}

ChainEffect Reference::record(const ChainEvent& event) {
    if (const auto* deposit = std::get_if<DepositConfirmed>(&event)) {
        books_.post(Account::escrow, Account::channel, wide(deposit->amount));
        resting_ = Status::open;
        ChainEffect effect;
        effect.moved = deposit->amount;
        charge_owed(effect);
        return effect;
    }
    if (const auto* claim = std::get_if<ClaimConfirmed>(&event)) {
        ChainEffect effect;
        const Wide more = wide(claim->new_total_claimed) - books_.claimed();
        const Wide early = std::max<Wide>(0, more - books_.earned());
        books_.post(Account::channel, Account::earned, early);
        books_.post(Account::earned, Account::claimed, more);
        effect.charged_after_the_fact = nearest_amount(early);
        effect.moved = nearest_amount(more);
        drop_if_uncovered(effect);
        return effect;
    }
    if (const auto* requested = std::get_if<WithdrawalRequested>(&event)) {
        withdraw_requested_at_ = requested->requested_at;
        withdraw_amount_ = wide(requested->amount);
        return {};
    }
    if (const auto* finalized = std::get_if<WithdrawalFinalized>(&event)) {
        ChainEffect effect = take_out(wide(finalized->amount));
        withdraw_requested_at_ = 0;
        withdraw_amount_ = 0;
        close_if_empty(effect);
        return effect;
    }
    const Wide refunded = wide(std::get<RefundConfirmed>(event).amount);
    ChainEffect effect = take_out(refunded);
    ++refund_nonce_;
    // As the contract does: what was paid back need not be withdrawn, and nothing is no request.
    withdraw_amount_ = std::max<Wide>(0, withdraw_amount_ - refunded);
    if (withdraw_amount_ == 0) withdraw_requested_at_ = 0;
    if (withdraw_requested_at_ == 0) close_if_empty(effect);
    return effect;
}

std::string Reference::difference(const State& state) const {
    if (!books_.balance()) return "the books are not even";
    if (wide(state.balance) != books_.escrow()) return "balance";
    if (wide(state.charged) != charged()) return "charged";
    if (wide(state.total_claimed) != books_.claimed()) return "total claimed";
    if (wide(state.balance) - wide(state.charged) != books_.channel()) return "unspent";
    if (wide(state.owed) != owed_) return "owed";
    if (state.in_doubt != in_doubt_) return "in doubt";
    if (wide(state.reserved) != reserved()) return "reserved";
    if (wide(state.signed_max) != signed_max_) return "signed max";
    if (state.signature != evidence_) return "signature";
    if (state.withdraw_requested_at != withdraw_requested_at_) return "withdraw requested at";
    if (wide(state.withdraw_amount) != withdraw_amount_) return "withdraw amount";
    if (state.refund_nonce != refund_nonce_) return "refund nonce";
    if (state.status != (withdraw_requested_at_ != 0 ? Status::closing : resting_)) return "status";
    if (state.reservations.size() != open_.size()) return "number of reservations";
    for (const auto& [id, reservation] : state.reservations) {
        const auto found = open_.find(id.text());
        if (found == open_.end()) return "reservation " + id.text();
        const Open& open = found->second;
        if (wide(reservation.max_amount) != open.max || wide(reservation.charged) != open.charged ||
            reservation.steps != open.steps) {
            return "figures of reservation " + id.text();
        }
    }
    return {};
}

}  // namespace simulation
