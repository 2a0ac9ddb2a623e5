#include "channel/error.hpp"

#include <array>
#include <cstddef>
#include <string>

namespace millrace::channel {
namespace {

struct Row {
    Error error;
    std::string_view reason;
    std::string_view field;
    std::string_view sentence;
};

constexpr std::string_view kVoucherSignature = "invalid_batch_settlement_evm_voucher_signature";

/// In the order of the enumerators, which is checked below.
constexpr std::array kRows{
    // Malformed values. Which member held one, only the reader of the message knows.
    Row{Error::not_hex, "not_hex", "", "Expected 0x and an even number of hexadecimal digits."},
    Row{Error::wrong_length, "wrong_length", "",
        "The value has another number of bytes than its type."},
    Row{Error::not_decimal, "not_decimal", "",
        "Expected a decimal string: digits only, no sign, no leading zero."},
    Row{Error::amount_out_of_range, "amount_out_of_range", "",
        "The amount does not fit its type; token amounts end at 2^128 - 1."},
    Row{Error::not_an_address, "not_an_address", "", "Expected 0x and 40 hexadecimal digits."},
    Row{Error::not_a_network, "not_a_network", "network",
        "Expected a CAIP-2 network such as eip155:8453."},
    Row{Error::not_a_secret_key, "not_a_secret_key", "",
        "Expected 0x and 64 digits: a number from 1 to below the order of secp256k1."},
    Row{Error::not_an_inference_id, "not_an_inference_id", "inference.id",
        "Expected 1 to 64 characters of A-Z, a-z, 0-9, dot, underscore, colon, hyphen."},
    Row{Error::signature_length, kVoucherSignature, "voucher.signature",
        "A signature is 65 bytes, r, s and v; the 64-byte form is not taken."},
    Row{Error::signature_v, kVoucherSignature, "voucher.signature",
        "The last byte of a signature, v, must be 27 or 28."},
    Row{Error::signature_high_s, kVoucherSignature, "voucher.signature",
        "The s of a signature must lie in the lower half of the group order (EIP-2)."},
    Row{Error::signature_invalid, kVoucherSignature, "voucher.signature",
        "The bytes are no signature of any key."},
    // Rules of x402 batch-settlement.
    Row{Error::voucher_signature, kVoucherSignature, "voucher.signature",
        "The voucher is not signed by the channel's payer authorizer, or payer if it has none; "
        "sign its id and maxClaimableAmount under the contract's EIP-712 domain."},
    Row{Error::channel_id_mismatch, "invalid_batch_settlement_evm_channel_id_mismatch",
        "voucher.channelId", "The channel id is not the one that follows from the channelConfig."},
    Row{Error::cumulative_exceeds_balance,
        "invalid_batch_settlement_evm_cumulative_exceeds_balance", "voucher.maxClaimableAmount",
        "The cumulative amount is above the channel's balance; top the channel up or sign less."},
    Row{Error::cumulative_below_claimed, "invalid_batch_settlement_evm_cumulative_below_claimed",
        "voucher.maxClaimableAmount",
        "The voucher promises no more than was claimed on chain already; sign a higher one."},
    Row{Error::charge_exceeds_signed_cumulative,
        "invalid_batch_settlement_evm_charge_exceeds_signed_cumulative", "amount",
        "The charge goes beyond the highest voucher that the payer has signed."},
    Row{Error::cumulative_amount_mismatch,
        "invalid_batch_settlement_evm_cumulative_amount_mismatch", "voucher.maxClaimableAmount",
        "The voucher has to be for exactly what is charged and what is asked for, a refund's for "
        "exactly what is charged; sign for the limit."},
    Row{Error::refund_amount_invalid, "invalid_batch_settlement_evm_refund_amount_invalid",
        "amount", "The refund is nothing, or more than what is neither charged nor reserved."},
    Row{Error::refund_no_balance, "invalid_batch_settlement_evm_refund_no_balance", "channelId",
        "All of the channel's balance is charged or reserved: nothing is left to refund."},
    Row{Error::refund_simulation_failed, "invalid_batch_settlement_evm_refund_simulation_failed",
        "", "The contract would refuse the refund; nothing was sent."},
    Row{Error::receiver_mismatch, "invalid_batch_settlement_evm_receiver_mismatch",
        "channelConfig.receiver", "The receiver is missing or not the one that was asked for."},
    Row{Error::receiver_authorizer_mismatch,
        "invalid_batch_settlement_evm_receiver_authorizer_mismatch",
        "channelConfig.receiverAuthorizer",
        "The receiver authorizer is missing or not the advertised one."},
    Row{Error::token_mismatch, "invalid_batch_settlement_evm_token_mismatch", "channelConfig.token",
        "The token is missing or not taken on this network."},
    Row{Error::network_mismatch, "invalid_batch_settlement_evm_network_mismatch", "network",
        "The network is not the one that was asked for, or not served here."},
    Row{Error::withdraw_delay_mismatch, "invalid_batch_settlement_evm_withdraw_delay_mismatch",
        "channelConfig.withdrawDelay", "The withdraw delay is not the advertised one."},
    Row{Error::withdraw_delay_out_of_range,
        "invalid_batch_settlement_evm_withdraw_delay_out_of_range", "channelConfig.withdrawDelay",
        "The withdraw delay must be 900 to 2592000 seconds."},
    Row{Error::channel_not_found, "invalid_batch_settlement_evm_channel_not_found", "channelId",
        "The contract has no such channel; deposit first."},
    Row{Error::channel_busy, "invalid_batch_settlement_evm_channel_busy", "channelId",
        "Another request is at work on this channel; wait until it is done."},
    Row{Error::receive_authorization_signature,
        "invalid_batch_settlement_evm_receive_authorization_signature",
        "deposit.authorization.erc3009Authorization.signature",
        "The ERC-3009 authorization is not signed by the payer for this deposit."},
    Row{Error::payload_authorization_valid_after,
        "invalid_batch_settlement_evm_payload_authorization_valid_after",
        "deposit.authorization.erc3009Authorization.validAfter",
        "The deposit authorization is not valid yet; sign one with an earlier validAfter."},
    Row{Error::payload_authorization_valid_before,
        "invalid_batch_settlement_evm_payload_authorization_valid_before",
        "deposit.authorization.erc3009Authorization.validBefore",
        "The deposit authorization has expired or is about to; sign one with a later validBefore."},
    Row{Error::erc3009_authorization_required,
        "invalid_batch_settlement_evm_erc3009_authorization_required",
        "deposit.authorization.erc3009Authorization",
        "The deposit carries no ERC-3009 authorization, the only one taken for this token."},
    Row{Error::permit2_authorization_required,
        "invalid_batch_settlement_evm_permit2_authorization_required",
        "deposit.authorization.permit2Authorization",
        "The deposit carries no Permit2 authorization, the only one taken for this token."},
    Row{Error::permit2_invalid_signature, "invalid_batch_settlement_evm_permit2_invalid_signature",
        "deposit.authorization.permit2Authorization.signature",
        "The Permit2 authorization is not signed by the payer for this deposit."},
    Row{Error::permit2_invalid_spender, "invalid_batch_settlement_evm_permit2_invalid_spender",
        "deposit.authorization.permit2Authorization.spender",
        "The spender of the Permit2 authorization has to be the network's Permit2 collector."},
    Row{Error::permit2_amount_mismatch, "invalid_batch_settlement_evm_permit2_amount_mismatch",
        "deposit.authorization.permit2Authorization.permitted.amount",
        "The Permit2 authorization permits another amount than the deposit's."},
    Row{Error::permit2_deadline_expired, "invalid_batch_settlement_evm_permit2_deadline_expired",
        "deposit.authorization.permit2Authorization.deadline",
        "The Permit2 authorization has expired or is about to; sign one with a later deadline."},
    Row{Error::permit2_allowance_required,
        "invalid_batch_settlement_evm_permit2_allowance_required",
        "deposit.authorization.permit2Authorization",
        "The payer has not approved Permit2 for as much of the token; approve it first."},
    Row{Error::deposit_below_min_deposit, "invalid_batch_settlement_evm_deposit_below_min_deposit",
        "deposit.amount", "The deposit is below the least that is taken."},
    Row{Error::deposit_simulation_failed, "invalid_batch_settlement_evm_deposit_simulation_failed",
        "deposit",
        "The contract would refuse the deposit; check token balance, nonce and validity."},
    Row{Error::deposit_transaction_failed,
        "invalid_batch_settlement_evm_deposit_transaction_failed", "deposit",
        "The deposit transaction was sent and failed on chain."},
    Row{Error::insufficient_balance, "invalid_batch_settlement_evm_insufficient_balance",
        "deposit.amount", "The payer holds less of the token than the deposit asks for."},
    Row{Error::nothing_to_settle, "invalid_batch_settlement_evm_nothing_to_settle", "",
        "Nothing is due to this receiver."},
    Row{Error::rpc_read_failed, "invalid_batch_settlement_evm_rpc_read_failed", "",
        "The chain could not be read; repeat the request later."},
    // Rules of the payment stream.
    Row{Error::unauthenticated, "unauthenticated", "",
        "Log in first: auth.challenge and auth.login, or a bearer token."},
    Row{Error::forbidden, "forbidden", "", "The address logged in with is no party to this."},
    Row{Error::channel_unknown, "channel_unknown", "channelId",
        "No such channel is known here; channel.open makes it known."},
    Row{Error::channel_not_open, "channel_not_open", "channelId",
        "The channel is not open: its deposit awaits confirmations, or it is closed; a deposit "
        "opens it."},
    Row{Error::channel_closing, "channel_closing", "channelId",
        "A withdrawal is pending on chain: nothing new is taken on this channel until it is "
        "finalized."},
    Row{Error::amount_exceeds_reservation, "amount_exceeds_reservation", "amount",
        "The charge is above what was reserved for the inference."},
    Row{Error::reservation_unknown, "reservation_unknown", "inferenceId",
        "No reservation is open for this inference."},
    Row{Error::idempotency_conflict, "idempotency_conflict", "inference.id",
        "The inference id was used before with other content; choose a new one."},
    Row{Error::insufficient_voucher, "insufficient_voucher", "voucher.maxClaimableAmount",
        "The voucher does not cover what is charged, reserved and now asked for; sign at least the "
        "limit."},
    Row{Error::too_many_in_flight, "too_many_in_flight", "",
        "Too many requests or reservations are open; wait for some to end."},
    Row{Error::rate_limited, "rate_limited", "",
        "Too many requests; slow down and repeat them later."},
    Row{Error::overloaded, "overloaded", "",
        "The service is at its limit; repeat the request shortly."},
    Row{Error::unavailable, "unavailable", "",
        "The service cannot answer now; repeat the same request."},
    Row{Error::invalid_params, "invalid_params", "",
        "A parameter is missing, of the wrong kind or out of its range."},
    Row{Error::contract_payer_refused, "contract_payer_refused", "channelConfig.payerAuthorizer",
        "The payer is a contract, and no claims on vouchers that only a contract can check "
        "(ERC-1271) are signed here: open a channel whose payerAuthorizer is an account with a "
        "key, or have the operator set signer.contract_payers."},
};

constexpr bool rows_match_enumerators() {
    for (std::size_t at = 0; at < kRows.size(); ++at) {
        if (static_cast<std::size_t>(kRows[at].error) != at + 1) return false;
    }
    return kRows.back().error == Error::contract_payer_refused;
}
static_assert(rows_match_enumerators(), "one row per error, in the order of the enumerators");

const Row& row(Error error) {
    return kRows[static_cast<std::size_t>(error) - 1];
}

class Category final : public boost::system::error_category {
    const char* name() const noexcept override { return "millrace.channel"; }

    std::string message(int value) const override {
        if (value < 1 || value > static_cast<int>(kRows.size())) return "unknown error";
        return std::string(sentence(static_cast<Error>(value)));
    }
};

}  // namespace

std::string_view reason(Error error) {
    return row(error).reason;
}
std::string_view field(Error error) {
    return row(error).field;
}
std::string_view sentence(Error error) {
    return row(error).sentence;
}

const boost::system::error_category& error_category() {
    static const Category category;
    return category;
}

}  // namespace millrace::channel
