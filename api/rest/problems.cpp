#include "api/rest/problems.hpp"

#include "api/rest/json_object.hpp"
#include "channel/error.hpp"

#include <array>
#include <utility>

namespace millrace::api::rest {
namespace {

using channel::Error;

struct StatusOf {
    Error error;
    unsigned status;
};
/// Everything that the state of a channel refuses is a conflict.
constexpr unsigned kConflict = 409;
constexpr std::array kStatus{
    StatusOf{Error::unauthenticated, 401},    StatusOf{Error::forbidden, 403},
    StatusOf{Error::channel_unknown, 404},    StatusOf{Error::channel_not_found, 404},
    StatusOf{Error::too_many_in_flight, 429}, StatusOf{Error::rate_limited, 429},
    StatusOf{Error::overloaded, 503},         StatusOf{Error::unavailable, 503},
    StatusOf{Error::rpc_read_failed, 503}};

unsigned status_of(const stream::Failure& failure) {
    if (failure.code == stream::Code::internal_error) return 500;
    if (failure.code != stream::Code::refused) return 400;
    for (const auto& [error, status] : kStatus)
        if (channel::reason(error) == failure.reason) return status;
    return kConflict;
}

std::string_view title_of(unsigned status) {
    switch (status) {
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 409:
            return "Conflict";
        case 429:
            return "Too Many Requests";
        case 500:
            return "Internal Server Error";
        case 503:
            return "Service Unavailable";
    }
    return "Error";
}

HttpResponse with_status(unsigned status, const stream::Failure& failure) {
    JsonObject body;
    body.text("type", "about:blank")
        .text("title", title_of(status))
        .number("status", status)
        .text("reason", failure.reason)
        .text("detail", failure.message);
    if (!failure.field.empty()) body.text("field", failure.field);
    if (!failure.limit.empty()) body.text("limit", failure.limit);
    HttpResponse response{status, "application/problem+json", body.take(), {}};
    if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
    if (status == 503 || status == 429) response.headers.emplace_back("Retry-After", "1");
    return response;
}

}  // namespace

HttpResponse problem(const stream::Failure& failure) {
    return with_status(status_of(failure), failure);
}

HttpResponse problem(const channel::Refusal& refusal) {
    return problem(stream::failure(refusal));
}

HttpResponse bad_parameter(std::string_view field, std::string_view expected) {
    return problem(stream::bad_param(std::string(field), expected));
}

HttpResponse not_found(std::string_view reason, std::string_view detail) {
    return with_status(404, {stream::Code::refused, reason, {}, {}, detail});
}

}  // namespace millrace::api::rest
