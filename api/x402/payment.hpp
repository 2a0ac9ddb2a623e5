#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/step.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/gasless_deposit.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace millrace::api::x402 {

/// The one scheme that is served here.
inline constexpr std::string_view kBatchSettlement = "batch-settlement";
inline constexpr std::uint64_t kX402VersionNumber = 2;

/// One entry of `accepts`, as a resource server offers it and a payer repeats it in `accepted`
/// (x402 v2, PaymentRequirements). Members that are not named here are passed over: servers may
/// add their own to `extra`.
struct Requirements {
    std::string scheme;
    /// CAIP-2, as it was given: other families than eip155 are legal and not served here.
    std::string network;
    /// Token base units; the most that the request may cost.
    channel::Amount amount;
    channel::Address asset;
    channel::Address pay_to;

    /// `extra`: name and version are of the token's EIP-712 domain; empty when missing.
    std::string token_name;
    std::string token_version;
    std::optional<channel::Address> receiver_authorizer;
    std::optional<std::uint64_t> withdraw_delay_seconds;
    /// "eip3009" or "permit2"; empty when missing: the payer has the choice.
    std::string asset_transfer_method;
};

/// A channel and a voucher over it, as all payloads of a payer carry them. That the id follows from
/// the configuration, and who signed, is not looked at here.
struct ChannelVoucher {
    channel::ChannelConfig config;
    channel::ChannelId channel;
    channel::SignedVoucher voucher;
};

struct DepositPayload {
    ChannelVoucher paid;
    ledger::chain::GaslessDeposit deposit;
};
struct VoucherPayload {
    ChannelVoucher paid;
};

/// What the receiver authorizer signed, or nothing where that is left to the facilitator: 65 bytes
/// of a key, or as many as a contract takes (ERC-1271).
using AuthorizerSignature = std::optional<channel::VoucherSignature>;

struct RefundPayload {
    ChannelVoucher paid;
    /// None: all that is left.
    std::optional<channel::Amount> amount;

    /// What the resource server adds before it hands the payload to a facilitator.
    struct Completion {
        channel::Word refund_nonce;
        std::vector<ledger::chain::VoucherClaim> claims;
        AuthorizerSignature refund_signature;
        AuthorizerSignature claim_signature;
    };
    /// Only with an amount.
    std::optional<Completion> completion;
};
struct ClaimPayload {
    /// Not empty, at most `ledger::kClaimRowsMax`.
    std::vector<ledger::chain::VoucherClaim> claims;
    AuthorizerSignature signature;
};
struct SettlePayload {
    channel::Address receiver;
    channel::Address token;
};

/// `PaymentPayload` of x402 v2 with the scheme's own payload, checked in form.
struct PaymentPayload {
    Requirements accepted;
    std::variant<VoucherPayload, DepositPayload, RefundPayload, ClaimPayload, SettlePayload>
        payload;
};

}  // namespace millrace::api::x402
