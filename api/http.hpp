#pragma once

#include "api/task.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::api {

/// An HTTP request without the library that read it: routes and tests need no Beast.
struct HttpRequest {
    std::string method;
    /// Decoded path, such as "/v1/networks".
    std::string path;
    /// Decoded query parameters; a repeated name keeps the first.
    std::map<std::string, std::string> query;
    std::string authorization;
    std::string body;
    /// Of the peer, for limits and logs.
    std::string remote_address;
};

/// The body of a response that is too long to be held: made as fast as the peer takes it.
class BodySource {
public:
    virtual ~BodySource() = default;
    /// The next stretch; empty at the end. An exception cuts the response off.
    virtual Task<std::string> next() = 0;
    /// Fields behind the body (RFC 9110, 6.5), told when it has ended.
    virtual std::vector<std::pair<std::string, std::string>> trailers() = 0;
};

struct HttpResponse {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    /// Up to where in the books it reaches, where it is about them: for the record of what auditors
    /// asked. Not sent.
    std::optional<std::uint64_t> seq{};
    /// In place of `body`.
    std::shared_ptr<BodySource> source{};
};

/// application/problem+json (RFC 9457) with `reason` as on the stream.
HttpResponse problem(unsigned status, std::string_view reason, std::string_view detail);

}  // namespace millrace::api
