#include "channel/error.hpp"

#include "channel/result.hpp"

#include <catch2/catch.hpp>

#include <set>

namespace millrace::channel {
namespace {

constexpr int kErrors = static_cast<int>(Error::contract_payer_refused);

/// x402-batch-settlement, "Error strings".
const std::set<std::string> kX402{"authorizer_address_mismatch",
                                  "channel_busy",
                                  "channel_id_mismatch",
                                  "channel_not_found",
                                  "channel_state_read_failed",
                                  "charge_exceeds_signed_cumulative",
                                  "claim_payload",
                                  "claim_simulation_failed",
                                  "claim_transaction_failed",
                                  "cumulative_amount_mismatch",
                                  "cumulative_below_claimed",
                                  "cumulative_exceeds_balance",
                                  "deposit_payload",
                                  "deposit_below_min_deposit",
                                  "deposit_simulation_failed",
                                  "deposit_transaction_failed",
                                  "erc3009_authorization_required",
                                  "insufficient_balance",
                                  "missing_channel",
                                  "missing_eip712_domain",
                                  "network_mismatch",
                                  "nothing_to_settle",
                                  "payload_authorization_valid_after",
                                  "payload_authorization_valid_before",
                                  "payload_type",
                                  "permit2_allowance_required",
                                  "permit2_amount_mismatch",
                                  "permit2_authorization_required",
                                  "permit2_deadline_expired",
                                  "permit2_invalid_signature",
                                  "permit2_invalid_spender",
                                  "receive_authorization_signature",
                                  "receiver_authorizer_mismatch",
                                  "receiver_mismatch",
                                  "refund_amount_invalid",
                                  "refund_no_balance",
                                  "refund_payload",
                                  "refund_simulation_failed",
                                  "refund_transaction_failed",
                                  "rpc_read_failed",
                                  "scheme",
                                  "settle_payload",
                                  "settle_simulation_failed",
                                  "settle_transaction_failed",
                                  "token_mismatch",
                                  "transaction_reverted",
                                  "unknown_settle_action",
                                  "voucher_payload",
                                  "voucher_signature",
                                  "wait_for_receipt_failed",
                                  "withdraw_delay_mismatch",
                                  "withdraw_delay_out_of_range"};

TEST_CASE("error: every one has a name on the wire and a sentence", "[channel][error]") {
    for (int value = 1; value <= kErrors; ++value) {
        const auto error = static_cast<Error>(value);
        CAPTURE(value);
        CHECK_FALSE(reason(error).empty());
        CHECK(sentence(error).size() > 10);
        CHECK(sentence(error).ends_with('.'));
        CHECK(make_error_code(error).message() == sentence(error));
    }
}

TEST_CASE("error: a name with the x402 prefix is one of the standard's", "[channel][error]") {
    const std::string_view prefix = "invalid_batch_settlement_evm_";
    for (int value = 1; value <= kErrors; ++value) {
        const std::string name(reason(static_cast<Error>(value)));
        CAPTURE(name);
        if (name.starts_with(prefix)) CHECK(kX402.contains(name.substr(prefix.size())));
        if (!name.starts_with(prefix)) CHECK_FALSE(kX402.contains(name));
    }
}

TEST_CASE("error: no two share a name, save those of a signature", "[channel][error]") {
    const std::string_view signature = "invalid_batch_settlement_evm_voucher_signature";
    std::set<std::string_view> names;
    for (int value = 1; value <= kErrors; ++value) {
        const auto name = reason(static_cast<Error>(value));
        CAPTURE(name);
        if (name != signature) CHECK(names.insert(name).second);
    }
    for (const auto error : {Error::signature_length, Error::signature_v, Error::signature_high_s,
                             Error::signature_invalid, Error::voucher_signature}) {
        CHECK(reason(error) == signature);
        CHECK(field(error) == "voucher.signature");
    }
}

TEST_CASE("error: names and members at fault are as documented", "[channel][error]") {
    CHECK(reason(Error::not_decimal) == "not_decimal");
    CHECK(reason(Error::invalid_params) == "invalid_params");
    CHECK(reason(Error::unavailable) == "unavailable");
    CHECK(reason(Error::channel_not_open) == "channel_not_open");
    CHECK(reason(Error::cumulative_exceeds_balance) ==
          "invalid_batch_settlement_evm_cumulative_exceeds_balance");
    CHECK(field(Error::cumulative_exceeds_balance) == "voucher.maxClaimableAmount");
    CHECK(field(Error::insufficient_voucher) == "voucher.maxClaimableAmount");
    CHECK(field(Error::amount_exceeds_reservation) == "amount");
    CHECK(field(Error::not_an_inference_id) == "inference.id");
    CHECK(field(Error::reservation_unknown) == "inferenceId");
    CHECK(field(Error::withdraw_delay_out_of_range) == "channelConfig.withdrawDelay");
}

TEST_CASE("error: travels in a result and compares with its enumerator", "[channel][error]") {
    const Result<int> refused = Error::channel_closing;
    CHECK_FALSE(refused.has_value());
    CHECK(refused.error() == Error::channel_closing);
    CHECK(refused.error() != Error::channel_not_open);
    CHECK(std::string(error_category().name()) == "millrace.channel");
    CHECK(error_category().message(0) == "unknown error");
    CHECK(error_category().message(kErrors + 1) == "unknown error");
}

}  // namespace
}  // namespace millrace::channel
