#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/network.hpp"
#include "channel/result.hpp"
#include "channel/step.hpp"
#include "ledger/chain/erc1271.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace millrace::ledger::chain {

/// Permit2's address, the same on every chain (x402-batch-settlement, Contracts).
inline constexpr channel::Address kPermit2{{0x00, 0x00, 0x00, 0x00, 0x00, 0x22, 0xd4,
                                            0x73, 0x03, 0x0f, 0x11, 0x6d, 0xde, 0xe9,
                                            0xf6, 0xb4, 0x3a, 0xc7, 0x8b, 0xa3}};

/// `deposit.authorization.erc3009Authorization` of x402: for tokens that know ERC-3009.
struct Erc3009Authorization {
    /// Unix seconds.
    channel::Word valid_after;
    channel::Word valid_before;
    channel::Word salt;
    channel::Bytes signature;
};

/// `deposit.authorization.permit2Authorization` of x402: for any token that its payer has approved
/// Permit2 for.
struct Permit2Authorization {
    channel::Address from;
    channel::Address token;
    channel::Amount amount;
    channel::Address spender;
    channel::Word nonce;
    /// Unix seconds.
    channel::Word deadline;
    channel::ChannelId channel_id;
    channel::Bytes signature;
};

/// A deposit that the payer has signed and somebody else sends (x402-batch-settlement, ERC-3009
/// deposit and Permit2 deposit).
struct GaslessDeposit {
    channel::Amount amount;
    std::variant<Erc3009Authorization, Permit2Authorization> authorization;
};

/// What of a network and token bears on a deposit. A collector of zero is none: deposits of its
/// kind are not taken.
struct DepositTerms {
    channel::Network network;
    channel::Address token;
    channel::Amount amount_min;
    /// EIP-712 domain separator of the token.
    channel::Digest token_separator;
    channel::Address erc3009_collector;
    channel::Address permit2_collector;
};

/// A deposit that is not mined before its authorization ends is lost, so that must be valid this
/// long still.
inline constexpr std::uint64_t kDepositValiditySecondsMin = 15;

/// A deposit that needs more gas is not relayed: a payer that is a contract could have the service
/// pay for anything. A key's needs some 120,000.
inline constexpr std::uint64_t kDepositGasMax = 300'000 + kErc1271GasMax;

/// All that can be checked without the chain: amount, validity at `now` (Unix seconds), whom and
/// what the authorization names, and last, that the payer itself signed it, for this channel,
/// collector and token. `deposit_below_min_deposit`; for ERC-3009 `permit2_authorization_required`,
/// `payload_authorization_valid_after`, `payload_authorization_valid_before`,
/// `receive_authorization_signature`; for Permit2 `erc3009_authorization_required`,
/// `permit2_invalid_spender`, `token_mismatch`, `permit2_amount_mismatch`, `channel_id_mismatch`,
/// `permit2_deadline_expired`, `permit2_invalid_signature`.
std::optional<channel::Refusal> refuse_deposit(const DepositTerms& terms,
                                               const channel::ChannelId& id,
                                               const channel::Address& payer,
                                               const GaslessDeposit& deposit, std::uint64_t now);

/// True when nothing is wrong but that no key of the payer's made the signature: a payer that is a
/// contract (ERC-1271) may have, which the token or Permit2 asks itself.
bool is_for_contract_to_judge(const channel::Refusal& refusal);

/// Names a deposit, by what can be used only once: its channel and ERC-3009 nonce, or the payer's
/// Permit2 nonce on its network.
std::string deposit_reference(const DepositTerms& terms, const channel::ChannelId& id,
                              const channel::Address& payer, const GaslessDeposit& deposit);

/// Calldata that relays it.
channel::Bytes deposit_call(const DepositTerms& terms, const channel::ChannelConfig& config,
                            const GaslessDeposit& deposit);

}  // namespace millrace::ledger::chain
