#include "api/stream/failure.hpp"

#include "channel/error.hpp"

#include <algorithm>
#include <array>

namespace millrace::api::stream {

using channel::Error;

namespace {

/// Values whose text is wrong, whatever the channel's state.
constexpr std::array kMalformed{
    Error::not_hex,        Error::wrong_length,     Error::not_decimal,
    Error::not_an_address, Error::not_a_network,    Error::amount_out_of_range,
    Error::invalid_params, Error::not_a_secret_key, Error::not_an_inference_id};

Code code_of(Error error) {
    const bool malformed =
        std::find(kMalformed.begin(), kMalformed.end(), error) != kMalformed.end();
    return malformed ? Code::invalid_params : Code::refused;
}

}  // namespace

Failure failure(const channel::Refusal& refusal) {
    return {code_of(refusal.error), channel::reason(refusal.error), std::string(refusal.field),
            refusal.limit ? channel::to_string(*refusal.limit) : std::string{},
            channel::sentence(refusal.error)};
}

Failure bad_param(std::string field, std::string_view message, std::string limit) {
    return {Code::invalid_params, channel::reason(Error::invalid_params), std::move(field),
            std::move(limit), message};
}

Failure bad_param(std::string field, Error error, std::string limit) {
    return {code_of(error), channel::reason(error), std::move(field), std::move(limit),
            channel::sentence(error)};
}

Failure bad_request(std::string field, std::string_view message, std::string limit) {
    return {Code::invalid_request, "invalid_request", std::move(field), std::move(limit), message};
}

Failure unauthenticated(std::string field, std::string_view message) {
    return {Code::refused, channel::reason(Error::unauthenticated), std::move(field), {}, message};
}

Failure internal_error() {
    return {Code::internal_error,
            "internal_error",
            {},
            {},
            "The service made a mistake; look at the state before trying again."};
}

}  // namespace millrace::api::stream
