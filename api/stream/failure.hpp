#pragma once

#include "channel/step.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::api::stream {

/// Error codes of JSON-RPC 2.0; `refused` is the one of its range for the server's own errors.
enum class Code {
    parse_error = -32700,
    invalid_request = -32600,
    method_not_found = -32601,
    invalid_params = -32602,
    internal_error = -32603,
    refused = -32000,
};

/// What a caller is told that gets no result: never with text from the request or from inside.
struct Failure {
    Code code = Code::refused;
    /// What programs branch on; empty where the code alone says it.
    std::string_view reason;
    /// The member at fault, as a path such as "voucher.signature"; empty when no single one is.
    std::string field;
    /// The bound that was broken, as text; empty when there is none.
    std::string limit;
    std::string_view message;
};

/// The form in which a refusal of the layers below goes out: malformed values are invalid params,
/// all else is refused.
Failure failure(const channel::Refusal& refusal);

/// A parameter that is missing, of the wrong kind or out of its range.
Failure bad_param(std::string field, std::string_view message, std::string limit = {});
/// A parameter whose text is none of its type; the reason says which.
Failure bad_param(std::string field, channel::Error error, std::string limit = {});

/// Something that is no request: the frame or a member of the envelope.
Failure bad_request(std::string field, std::string_view message, std::string limit = {});

/// Not logged in, with what to do about it.
Failure unauthenticated(std::string field, std::string_view message);

Failure internal_error();

}  // namespace millrace::api::stream
