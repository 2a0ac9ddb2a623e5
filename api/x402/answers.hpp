#pragma once

#include "api/x402/payment.hpp"
#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/step.hpp"
#include "ledger/chain/many_views.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace millrace::api::x402 {

/// What a facilitator is asked to verify or to settle.
struct FacilitatorRequest {
    PaymentPayload payment;
    Requirements requirements;
    /// As whom the caller has shown itself (a login's token); nothing: anybody.
    std::optional<channel::Address> caller;
    /// The key that acts for it, which has a receiver's rights and no payer's.
    std::optional<channel::Address> delegate{};
};

/// Why something is refused: an error string of x402, and a sentence for people.
struct Objection {
    std::string_view reason;
    std::string message;
};
/// The rules of a channel say it in the words of x402.
Objection objection(const channel::Refusal& refusal);
/// The same, saying of which of several channels.
Objection about(const channel::ChannelId& id, Objection objection);

/// What the contract has of a channel.
struct ChannelState {
    channel::ChannelId id;
    ledger::chain::ChannelViews views;
};

/// x402's VerifyResponse.
struct Verdict {
    /// Nothing: the payment is valid.
    std::optional<Objection> objection;
    std::optional<channel::Address> payer;
    /// Of a valid payment: before its deposit, if it has one.
    std::optional<ChannelState> state;
};

/// x402's SettleResponse. `transaction` is also told of one that failed, and of one whose fate is
/// not known yet.
struct Settlement {
    /// Nothing: it is done.
    std::optional<Objection> objection;
    std::optional<channel::Address> payer;
    std::optional<channel::TransactionHash> transaction;
    /// What it moved, where it moves one amount.
    std::optional<channel::Amount> amount;
    /// Of the channel afterwards, where it is about one.
    std::optional<ChannelState> state;
};

}  // namespace millrace::api::x402
