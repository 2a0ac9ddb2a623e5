#pragma once

#include <map>
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

struct HttpResponse {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
};

/// application/problem+json (RFC 9457) with `reason` as on the stream.
HttpResponse problem(unsigned status, std::string_view reason, std::string_view detail);

}  // namespace millrace::api
