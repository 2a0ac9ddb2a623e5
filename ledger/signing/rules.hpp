#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/network.hpp"
#include "ledger/chain/signer.hpp"

#include <map>
#include <optional>
#include <span>
#include <string>

namespace millrace::ledger::signing {

using chain::ContractPayers;

struct NetworkRules {
    channel::Address contract;
    /// Wei per gas.
    channel::Amount max_fee_per_gas;
    /// Wei that the transactions of an hour may cost at most, by gas limit and highest fee.
    channel::Amount cost_per_hour_max;
    /// By token: base units that claims and refunds of an hour may move. No other token is known.
    std::map<channel::Address, channel::Amount> value_per_hour_max;
};

/// What the holder of the keys signs at all, whoever asks.
struct SigningRules {
    std::map<channel::Network, NetworkRules> networks;
    ContractPayers contract_payers = ContractPayers::refused;
    unsigned signatures_per_minute_max = 600;
};

/// Why something is not signed; nothing: it may be.
using Objection = std::optional<std::string>;

/// Of a configured network, each row consented to by `authorizer`, backed by a voucher of its
/// payer and not above it, no channel twice (x402-batch-settlement, Contract behaviour).
Objection object_to_claims(const SigningRules& rules, const channel::Address& authorizer,
                           const chain::EscrowContract& escrow,
                           std::span<const chain::VoucherClaim> rows);

/// Of a configured network and token, consented to by `authorizer`.
Objection object_to_refund(const SigningRules& rules, const channel::Address& authorizer,
                           const chain::EscrowContract& escrow,
                           const channel::ChannelConfig& config);

/// A call that this service relays to the escrow contract of a configured network, a claim by the
/// right of its sender (whose rows are for `object_to_claims`), or the empty call of the relayer to
/// itself that fills a gap among its nonces; without value, within the caps of gas (EIP-7825) and
/// of fees.
Objection object_to_transaction(const SigningRules& rules, const channel::Address& relayer,
                                const chain::Transaction& transaction);

}  // namespace millrace::ledger::signing
