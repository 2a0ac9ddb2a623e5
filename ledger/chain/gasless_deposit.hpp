#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/result.hpp"
#include "channel/step.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace millrace::ledger::chain {

/// A deposit that the payer has signed and somebody else sends (x402-batch-settlement, ERC-3009
/// deposit): `deposit.amount` and `deposit.authorization.erc3009Authorization`.
struct GaslessDeposit {
    channel::Amount amount;
    /// Unix seconds.
    channel::Word valid_after;
    channel::Word valid_before;
    channel::Word salt;
    channel::Bytes signature;
};

/// What of a network and token bears on a deposit.
struct DepositTerms {
    /// EIP-712 domain separator of the token.
    channel::Digest token_separator;
    channel::Address collector;
    channel::Amount amount_min;
};

/// A deposit that is not mined before `valid_before` is lost, so it must be valid this long still.
inline constexpr std::uint64_t kDepositValiditySecondsMin = 15;

/// All that can be checked without the chain: amount, validity at `now` (Unix seconds), and that
/// the payer itself signed, for this channel, collector and token. `deposit_below_min_deposit`,
/// `payload_authorization_valid_after`, `payload_authorization_valid_before`,
/// `receive_authorization_signature`. Smart-wallet signatures (ERC-1271) are refused.
std::optional<channel::Refusal> refuse_deposit(const DepositTerms& terms,
                                               const channel::ChannelId& id,
                                               const channel::Address& payer,
                                               const GaslessDeposit& deposit, std::uint64_t now);

/// Names a deposit: "<channel id>:<ERC-3009 nonce>". The same authorization can only be used once,
/// so the same reference is the same deposit.
std::string deposit_reference(const channel::ChannelId& id, const GaslessDeposit& deposit);

/// Calldata that relays it.
channel::Bytes deposit_call(const channel::ChannelConfig& config, const channel::Address& collector,
                            const GaslessDeposit& deposit);

}  // namespace millrace::ledger::chain
