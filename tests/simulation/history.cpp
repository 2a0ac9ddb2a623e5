#include "tests/simulation/history.hpp"

#include "tests/support/parsed.hpp"

#include <type_traits>

namespace simulation {

using namespace millrace::channel;

namespace {

template <class Command>
std::string name_of() {
    if (std::is_same_v<Command, Pay>) return "pay";
    if (std::is_same_v<Command, Authorize>) return "authorize";
    if (std::is_same_v<Command, Accept>) return "accept";
    if (std::is_same_v<Command, Charge>) return "charge";
    return "release";
}

std::string name_of(const ChainEvent& event) {
    static constexpr std::array kNames{"deposit", "claim", "withdrawal requested",
                                       "withdrawal finalized", "refund"};
    return kNames[event.index()];
}

Result<ChainEffect> undo(State& state, const ChainEvent& event, const Escrow& before) {
    if (const auto* deposit = std::get_if<DepositConfirmed>(&event))
        return apply(state, DepositUndone{deposit->amount});
    if (const auto* claim = std::get_if<ClaimConfirmed>(&event))
        return apply(
            state, ClaimUndone{nearest_amount(wide(claim->new_total_claimed) - before.claimed())});
    if (std::holds_alternative<WithdrawalRequested>(event))
        return apply(state, WithdrawalRequestUndone{});
    if (const auto* finalized = std::get_if<WithdrawalFinalized>(&event))
        return apply(state, WithdrawalFinalizedUndone{finalized->amount, before.pending_since(),
                                                      nearest_amount(before.pending())});
    return apply(state, RefundUndone{std::get<RefundConfirmed>(event).amount,
                                     before.pending_since(), nearest_amount(before.pending())});
}

bool same_state(const State& a, const State& b) {
    return a == b;
}

}  // namespace

History::History(std::uint64_t seed, std::size_t channels) : seed_(seed), random_(seed) {
    for (std::size_t at = 0; at < channels; ++at) {
        // Some payers are poor, so that edges are hit by chance; some own more than uint128.
        const Wide tokens = at % 3 == 0   ? Wide{300}
                            : at % 3 == 1 ? Wide{1'000'000}
                                          : kAmountMax * 2;
        channels_.push_back(Channel{.escrow = Escrow{tokens}});
    }
}

void History::run(std::uint64_t steps) {
    for (std::uint64_t at = 0; at < steps && failure_.empty(); ++at) {
        ++now_;
        Channel& channel = channels_[random_.below(channels_.size())];
        step(channel);
        check(channel);
    }
}

void History::settle() {
    for (Channel& channel : channels_) {
        while (!channel.undelivered.empty() && failure_.empty()) deliver(channel);
        reconcile(channel);
        check(channel);
        const State& state = channel.state;
        if (wide(state.balance) != channel.escrow.balance()) fail("balance against the contract");
        if (wide(state.total_claimed) != channel.escrow.claimed())
            fail("claims against the contract");
        if (state.refund_nonce != channel.escrow.refund_nonce()) fail("nonce against the contract");
        if (state.withdraw_requested_at != channel.escrow.pending_since()) {
            fail("pending withdrawal against the contract");
        }
        if (wide(state.withdraw_amount) != channel.escrow.pending())
            fail("amount of the pending withdrawal against the contract");
    }
}

void History::step(Channel& channel) {
    if (random_.one_in(40)) return reorganise(channel);
    switch (random_.below(18)) {
        case 0:
        case 1:
        case 2:
        case 3:
            return pay(channel);
        case 4:
        case 5:
        case 6:
            return authorize(channel);
        case 7:
        case 8:
        case 9:
            return charge(channel);
        case 10:
            return release(channel);
        case 11:
        case 12:
            return act_on_chain(channel);
        case 16:
        case 17:
            return accept(channel);
        default:
            return deliver(channel);
    }
}

/// Decides, compares the decision with the reference's, and applies it if it is accepted.
template <class Command, class Decision>
void History::carry_out(Channel& channel, const Command& command, const Decision& decision) {
    const auto verdict = channel.reference.judge(command);
    if (decision.accepted() != !verdict.has_value()) {
        return fail(name_of<Command>() + " is " + (verdict ? "accepted" : "refused") +
                    " and should not be");
    }
    if (verdict) {
        ++counts_["refused: " + std::string(reason(*verdict))];
        if (decision.refusal().error != *verdict) {
            fail(name_of<Command>() + " is refused as " +
                 std::string(reason(decision.refusal().error)) + ", not " +
                 std::string(reason(*verdict)));
        }
        return;
    }
    ++counts_["accepted: " + name_of<Command>()];
    const Amount charged_before = channel.state.charged;
    const Amount signed_before = channel.state.signed_max;
    apply(channel.state, decision.event());
    channel.reference.record(command);
    if (channel.state.charged < charged_before) fail("charged went down by a command");
    if (channel.state.signed_max < signed_before) fail("the highest voucher went down");
    if (channel.state.charged > channel.state.signed_max &&
        channel.state.charged > charged_before) {
        fail("charged beyond the highest voucher");
    }
}

void History::pay(Channel& channel) {
    const Amount amount = some_amount(channel);
    const Pay command{some_inference(channel, random_.one_in(20)), amount,
                      some_voucher(channel, amount)};
    const State before = channel.state;
    const auto decision = decide(channel.state, command);
    if (!same_state(before, channel.state)) fail("a decision changed the state");
    carry_out(channel, command, decision);
}

void History::authorize(Channel& channel) {
    const Amount amount = some_amount(channel);
    Authorize command{some_inference(channel, random_.one_in(20)), amount, std::nullopt};
    if (!random_.one_in(3)) command.voucher = some_voucher(channel, amount);
    carry_out(channel, command, decide(channel.state, command, kLimits));
}

void History::accept(Channel& channel) {
    const Amount amount = some_amount(channel);
    Accept command{some_inference(channel, random_.one_in(20)), amount,
                   some_voucher(channel, amount)};
    if (!random_.one_in(4))
        command.voucher.max_claimable = nearest_amount(channel.reference.charged() + wide(amount));
    carry_out(channel, command, decide(channel.state, command));
}

void History::charge(Channel& channel) {
    Charge command{some_inference(channel, !random_.one_in(20)), Amount{},
                   random_.one_in(2) ? Finality::final : Finality::partial};
    const auto found = channel.state.reservations.find(command.inference);
    if (found == channel.state.reservations.end()) {
        command.amount = random_.up_to(Amount::max());
    } else {
        const Reservation& reservation = found->second;
        const Amount rest{reservation.max_amount.units() - reservation.charged.units()};
        const Wide drawn = wide(reservation.charged) + wide(random_.up_to(rest));
        const Wide amounts[] = {drawn,
                                drawn,
                                drawn,
                                wide(reservation.max_amount),
                                wide(reservation.max_amount) + 1,
                                wide(reservation.charged),
                                wide(reservation.charged) - 1};
        command.amount = nearest_amount(amounts[random_.below(std::size(amounts))]);
    }
    carry_out(channel, command, decide(channel.state, command));
}

void History::release(Channel& channel) {
    const Release command{some_inference(channel, !random_.one_in(20))};
    carry_out(channel, command, decide(channel.state, command));
}

void History::act_on_chain(Channel& channel) {
    Escrow& escrow = channel.escrow;
    const Escrow before = escrow;
    const Wide some = wide(random_.up_to(nearest_amount(escrow.available())));
    std::optional<ChainEvent> event;
    switch (random_.below(24)) {
        case 0:  // The receiver claims by itself all that was ever signed.
            if (random_.one_in(3)) {
                event =
                    escrow.claim(channel.reference.signed_max(), channel.reference.signed_max());
            }
            break;
        case 1:  // It holds a voucher that was never shown here.
            if (random_.one_in(6)) event = escrow.claim(escrow.claimed() + some, kAmountMax);
            break;
        case 2:
            if (random_.one_in(2)) event = escrow.initiate_withdraw(some, now_);
            break;
        case 3:
            event = escrow.refund(random_.one_in(6) ? escrow.available() : some);
            break;
        case 4:
        case 5:
        case 6:
        case 7:
            event = escrow.finalize_withdraw(now_);
            break;
        case 8:
        case 9:
        case 10:
        case 11:
        case 12:
        case 13:
            event = escrow.claim(channel.reference.charged(), channel.reference.signed_max());
            break;
        default:
            event = escrow.deposit((escrow.wallet() + 1) / (1 + random_.below(8)));
            break;
    }
    if (event) channel.undelivered.push_back({*event, before});
}

void History::reorganise(Channel& channel) {
    for (auto depth = 1 + random_.below(kDeepest); depth > 0 && failure_.empty(); --depth) {
        if (!channel.undelivered.empty()) {
            channel.escrow = channel.undelivered.back().before;
            channel.undelivered.pop_back();
        } else if (!channel.delivered.empty()) {
            undo_newest(channel);
        }
    }
    if (random_.one_in(2)) reconcile(channel);
}

void History::undo_newest(Channel& channel) {
    const auto [event, before] = channel.delivered.back();
    channel.delivered.pop_back();
    channel.escrow = before;
    ++counts_["undone: " + name_of(event)];
    const auto effect = undo(channel.state, event, before);
    if (!effect) return fail("undoing a " + name_of(event) + " is refused");
    if (*effect != channel.reference.go_back(before)) fail("effect of undoing a " + name_of(event));
    if (!effect->uncollectable.is_zero()) ++counts_["lost with what was undone"];
}

void History::reconcile(Channel& channel) {
    if (!channel.undelivered.empty() || !channel.state.in_doubt) return;
    const Mirror contract{nearest_amount(channel.escrow.balance()),
                          nearest_amount(channel.escrow.claimed()), channel.escrow.pending_since(),
                          nearest_amount(channel.escrow.pending()), channel.escrow.refund_nonce()};
    if (!agrees(channel.state, contract)) return fail("no agreement with the contract");
    apply(channel.state, Reconciled{contract});
    channel.reference.reconcile();
    ++counts_["reconciled"];
}

void History::deliver(Channel& channel) {
    if (channel.undelivered.empty()) return;
    const ChainEvent event = channel.undelivered.front().event;
    channel.delivered.push_back(channel.undelivered.front());
    if (channel.delivered.size() > kDeepest) channel.delivered.pop_front();
    channel.undelivered.pop_front();
    ++counts_["seen: " + name_of(event)];

    const auto effect =
        std::visit([&](const auto& one) { return apply(channel.state, one); }, event);
    if (!effect) return fail(name_of(event) + " is refused");
    if (*effect != channel.reference.record(event)) fail("effect of " + name_of(event));
    if (!effect->uncollectable.is_zero()) ++counts_["uncollectable"];
    if (!effect->recharged.is_zero()) ++counts_["charged again"];
    if (!effect->charged_after_the_fact.is_zero()) ++counts_["charged after the fact"];
    if (!effect->released.is_zero()) ++counts_["reservations dropped"];
}

void History::check(const Channel& channel) {
    const std::string difference = channel.reference.difference(channel.state);
    if (!difference.empty()) fail(difference);
    if (!is_consistent(channel.state)) fail("the state is not consistent");
    if (!channel.escrow.conserves()) fail("tokens appeared or vanished");
}

void History::fail(const std::string& what) {
    if (!failure_.empty()) return;
    failure_ = "MILLRACE_SEED=" + std::to_string(seed_) + " fails at " + std::to_string(now_) +
               ": " + what;
}

Amount History::some_amount(const Channel& channel) {
    const Reference& reference = channel.reference;
    const Wide left = reference.books().channel() - reference.reserved();
    const Wide drawn = wide(random_.up_to(nearest_amount(left / 4 + 1)));
    const Wide amounts[] = {drawn, drawn, drawn,    drawn, drawn,
                            drawn, left,  left + 1, 0,     kAmountMax};
    return nearest_amount(amounts[random_.below(std::size(amounts))]);
}

SignedVoucher History::some_voucher(const Channel& channel, Amount amount) {
    const Reference& reference = channel.reference;
    const Wide needed = reference.charged() + reference.reserved() + wide(amount);
    const Wide balance = reference.books().escrow();
    const Wide maxima[] = {needed,
                           needed,
                           needed,
                           needed,
                           needed - 1,
                           needed + wide(random_.up_to(amount)),
                           balance,
                           balance + 1,
                           reference.books().claimed(),
                           reference.signed_max()};
    SignedVoucher voucher{nearest_amount(maxima[random_.below(std::size(maxima))]), {}};
    // Stands for a signature: no two are the same.
    const Word word = word_from(++vouchers_made_);
    Signature signature;
    std::copy(word.bytes.begin(), word.bytes.end(), signature.bytes.begin());
    voucher.signature = signature;
    return voucher;
}

InferenceId History::some_inference(const Channel& channel, bool known) {
    const auto& open = channel.state.reservations;
    if (known && !open.empty()) {
        return std::next(open.begin(), static_cast<std::ptrdiff_t>(random_.below(open.size())))
            ->first;
    }
    return support::inference("i" + std::to_string(now_));
}

}  // namespace simulation
