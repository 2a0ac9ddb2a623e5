#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace millrace::api {

/// "http://host:port" or "https://host:port".
struct HttpUrl {
    bool tls = false;
    std::string host;
    std::string port;
    /// As a Host header and as the domain of logins have it: the port only where it is not usual.
    std::string authority;
};
/// Throws CommandError for anything else.
HttpUrl parse_url(std::string_view url);

struct HttpCall {
    std::string method = "GET";
    /// With its query, escaped.
    std::string target;
    /// Empty: none.
    std::string bearer{};
    /// JSON; empty: none.
    std::string body{};
    std::chrono::milliseconds patience{30'000};
};

struct HttpAnswer {
    unsigned status = 0;
    std::string body;
};

/// One request, one answer, blocking. With TLS the certificate is checked against the system's
/// authorities and the host's name. Throws CommandError when nobody answers in time.
HttpAnswer call(const HttpUrl& url, const HttpCall& call);

/// As one segment of a path or one value of a query (RFC 3986).
std::string escaped(std::string_view text);

}  // namespace millrace::api
