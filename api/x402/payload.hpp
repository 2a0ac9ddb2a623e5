#pragma once

#include "api/stream/failure.hpp"
#include "api/stream/members.hpp"
#include "api/x402/payment.hpp"

#include <string_view>
#include <variant>

namespace millrace::api::x402 {

/// The text of a PAYMENT-SIGNATURE header, decoded. Refused with what is wrong and where:
/// `kX402Version`, `kScheme`, `kPayloadType`, the `…_payload` string of its type, or what
/// channel::Error says of a signature; `invalid_request` for what is no JSON object.
std::variant<PaymentPayload, stream::Failure> parse_payment_payload(std::string_view json);

/// The same of a member, and PaymentRequirements, for messages that hold more than one. What is
/// wrong is told to the members.
PaymentPayload read_payment_payload(stream::Members& members);
Requirements read_requirements(stream::Members& members);

}  // namespace millrace::api::x402
