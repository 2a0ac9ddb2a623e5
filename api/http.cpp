#include "api/http.hpp"

#include "api/stream/json.hpp"

namespace millrace::api {
namespace {

std::string_view title_of(unsigned status) {
    switch (status) {
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 402:
            return "Payment Required";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 409:
            return "Conflict";
        case 413:
            return "Content Too Large";
        case 422:
            return "Unprocessable Content";
        case 426:
            return "Upgrade Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        default:
            return "Error";
    }
}

}  // namespace

HttpResponse problem(unsigned status, std::string_view reason, std::string_view detail) {
    std::string body = R"({"type":"about:blank","title":)";
    stream::append_json_string(body, title_of(status));
    body += R"(,"status":)" + std::to_string(status) + R"(,"reason":)";
    stream::append_json_string(body, reason);
    body += R"(,"detail":)";
    stream::append_json_string(body, detail);
    body += '}';
    return {status, "application/problem+json", std::move(body), {}};
}

}  // namespace millrace::api
