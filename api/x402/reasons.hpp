#pragma once

#include <string_view>

namespace millrace::api::x402 {

// The error strings of x402-batch-settlement that no rule of `channel::Error` has: those of HTTP
// resource servers and facilitators.

/// What the names of all of them begin with.
inline constexpr std::string_view kReasonPrefix = "invalid_batch_settlement_evm_";

/// The payload's `type` is missing or unknown.
inline constexpr std::string_view kPayloadType = "invalid_batch_settlement_evm_payload_type";
/// A payload of that type whose members are missing or malformed.
inline constexpr std::string_view kDepositPayload = "invalid_batch_settlement_evm_deposit_payload";
inline constexpr std::string_view kVoucherPayload = "invalid_batch_settlement_evm_voucher_payload";
inline constexpr std::string_view kRefundPayload = "invalid_batch_settlement_evm_refund_payload";
inline constexpr std::string_view kClaimPayload = "invalid_batch_settlement_evm_claim_payload";
inline constexpr std::string_view kSettlePayload = "invalid_batch_settlement_evm_settle_payload";
/// Another scheme than `batch-settlement`.
inline constexpr std::string_view kScheme = "invalid_batch_settlement_evm_scheme";
/// The requirements' `extra` does not have the token's name and version.
inline constexpr std::string_view kMissingEip712Domain =
    "invalid_batch_settlement_evm_missing_eip712_domain";
/// A payload that is no request to send anything.
inline constexpr std::string_view kUnknownSettleAction =
    "invalid_batch_settlement_evm_unknown_settle_action";
/// Nobody here may sign for the channel's receiver authorizer on this request.
inline constexpr std::string_view kAuthorizerAddressMismatch =
    "invalid_batch_settlement_evm_authorizer_address_mismatch";
inline constexpr std::string_view kChannelStateReadFailed =
    "invalid_batch_settlement_evm_channel_state_read_failed";
inline constexpr std::string_view kClaimSimulationFailed =
    "invalid_batch_settlement_evm_claim_simulation_failed";
inline constexpr std::string_view kSettleSimulationFailed =
    "invalid_batch_settlement_evm_settle_simulation_failed";
inline constexpr std::string_view kClaimTransactionFailed =
    "invalid_batch_settlement_evm_claim_transaction_failed";
inline constexpr std::string_view kSettleTransactionFailed =
    "invalid_batch_settlement_evm_settle_transaction_failed";
inline constexpr std::string_view kRefundTransactionFailed =
    "invalid_batch_settlement_evm_refund_transaction_failed";
/// It was sent, moved nothing, and would still fail.
inline constexpr std::string_view kTransactionReverted =
    "invalid_batch_settlement_evm_transaction_reverted";
/// A resource server that holds no record of the channel.
inline constexpr std::string_view kMissingChannel = "invalid_batch_settlement_evm_missing_channel";
/// Of x402 itself: it was sent, and what became of it is not known yet. Given with its transaction;
/// resource servers (@x402/core) repeat the same request once.
inline constexpr std::string_view kSettlementPending = "settlement_pending";
/// Of x402 itself: a message of another version than 2.
inline constexpr std::string_view kX402Version = "invalid_x402_version";

}  // namespace millrace::api::x402
