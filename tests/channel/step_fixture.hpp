#pragma once

#include "channel/step.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"

#include <cstdint>

/// Plain values that the tests of the state machine start from.
namespace millrace::channel {

constexpr Amount operator""_units(unsigned long long units) {
    return Amount{units};
}

/// Not a real one: the state machine never looks into it.
inline Signature mark(std::uint8_t n) {
    Signature signature;
    signature.bytes.fill(n);
    return signature;
}

inline const InferenceId kHeld = support::inference("held");
inline const InferenceId kNew = support::inference("new");

/// Unspent 700 of which 200 are reserved; the standing voucher is used up to the last unit.
inline State open_channel() {
    return {
        .status = Status::open,
        .balance = 1000_units,
        .charged = 300_units,
        .owed = 300_units,
        .reserved = 200_units,
        .signed_max = 500_units,
        .signature = mark(1),
        .total_claimed = 100_units,
        .reservations = {{kHeld, {.max_amount = 250_units, .charged = 50_units, .steps = 2}}},
    };
}

inline State closing_channel() {
    State state = open_channel();
    state.status = Status::closing;
    state.withdraw_requested_at = 1'700'000'000;
    state.withdraw_amount = 900_units;
    return state;
}

/// 350 of the 500 that are neither charged nor reserved are on their way back to the payer.
inline State refunding_channel() {
    State state = open_channel();
    state.refunding = 350_units;
    state.refunds_begun = 3;
    state.refund_nonce = 2;
    return state;
}

inline State pending_channel() {
    return {};
}

inline State closed_channel() {
    return {
        .status = Status::closed,
        .balance = 300_units,
        .charged = 300_units,
        .owed = 300_units,
        .signed_max = 500_units,
        .signature = mark(1),
        .total_claimed = 300_units,
        .refund_nonce = 1,
    };
}

/// Everything that could be is used up: balance, voucher and charges all at the end of uint128.
inline State full_channel() {
    return {
        .status = Status::open,
        .balance = Amount::max(),
        .charged = Amount{Amount::max().units() - 10},
        .owed = Amount{Amount::max().units() - 10},
        .signed_max = Amount::max(),
        .signature = mark(1),
    };
}

inline Pay pay(Amount amount, Amount max_claimable) {
    return {kNew, amount, {max_claimable, mark(2)}};
}

inline Authorize authorize(Amount max_amount, Amount max_claimable) {
    return {kNew, max_amount, SignedVoucher{max_claimable, mark(2)}};
}

inline Authorize authorize(Amount max_amount) {
    return {kNew, max_amount, std::nullopt};
}

}  // namespace millrace::channel

template <>
struct Catch::StringMaker<millrace::channel::Refusal> {
    static std::string convert(const millrace::channel::Refusal& refusal) {
        return std::string(reason(refusal.error))
            .append(" of ")
            .append(refusal.field)
            .append(" at ")
            .append(refusal.limit ? to_string(*refusal.limit) : "no limit");
    }
};
