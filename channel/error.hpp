#pragma once

#include <boost/system/error_code.hpp>

#include <string_view>

namespace millrace::channel {

/// Why a value or a command is refused. `reason()` gives the name on the wire: the x402 string
/// where the standard has one, else the name from the stream protocol.
enum class Error {
    // Malformed values.
    not_hex = 1,
    wrong_length,
    not_decimal,
    amount_out_of_range,
    not_an_address,
    not_a_network,
    not_a_secret_key,
    not_an_inference_id,
    signature_length,
    signature_v,
    signature_high_s,
    signature_invalid,
    // Rules of x402 batch-settlement.
    voucher_signature,
    channel_id_mismatch,
    cumulative_exceeds_balance,
    cumulative_below_claimed,
    charge_exceeds_signed_cumulative,
    cumulative_amount_mismatch,
    refund_amount_invalid,
    refund_no_balance,
    refund_simulation_failed,
    receiver_mismatch,
    receiver_authorizer_mismatch,
    token_mismatch,
    network_mismatch,
    withdraw_delay_mismatch,
    withdraw_delay_out_of_range,
    channel_not_found,
    channel_busy,
    receive_authorization_signature,
    payload_authorization_valid_after,
    payload_authorization_valid_before,
    erc3009_authorization_required,
    permit2_authorization_required,
    permit2_invalid_signature,
    permit2_invalid_spender,
    permit2_amount_mismatch,
    permit2_deadline_expired,
    permit2_allowance_required,
    deposit_below_min_deposit,
    deposit_simulation_failed,
    deposit_transaction_failed,
    insufficient_balance,
    nothing_to_settle,
    rpc_read_failed,
    // Rules of the payment stream.
    unauthenticated,
    forbidden,
    channel_unknown,
    channel_not_open,
    channel_closing,
    amount_exceeds_reservation,
    reservation_unknown,
    idempotency_conflict,
    insufficient_voucher,
    too_many_in_flight,
    rate_limited,
    overloaded,
    unavailable,
    invalid_params,
    contract_payer_refused,
};

/// The name of the error on the wire (x402-batch-settlement "Error strings", stream-protocol
/// "Errors"). Never empty.
std::string_view reason(Error error);

/// The request member at fault, such as "voucher.signature"; empty when no single one is.
std::string_view field(Error error);

/// One sentence for people, without values from the request.
std::string_view sentence(Error error);

const boost::system::error_category& error_category();

inline boost::system::error_code make_error_code(Error error) {
    return {static_cast<int>(error), error_category()};
}

}  // namespace millrace::channel

template <>
struct boost::system::is_error_code_enum<millrace::channel::Error> : std::true_type {};
