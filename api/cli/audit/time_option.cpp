#include "api/cli/audit/time_option.hpp"

#include "api/rest/parameters.hpp"

namespace millrace::api {
namespace {

constexpr std::size_t kDigitsMax = 5;
constexpr std::size_t kSecondsLength = std::string_view("2026-01-02T03:04:05").size();

}  // namespace

std::optional<std::chrono::hours> parse_span(std::string_view text) {
    if (text.size() < 2 || text.size() > kDigitsMax + 1) return std::nullopt;
    int count = 0;
    for (const char digit : text.substr(0, text.size() - 1)) {
        if (digit < '0' || digit > '9') return std::nullopt;
        count = count * 10 + (digit - '0');
    }
    if (text.back() == 'd') return std::chrono::days{count};
    if (text.back() == 'h') return std::chrono::hours{count};
    return std::nullopt;
}

std::optional<ledger::Time> parse_time_ago(const std::string& text, ledger::Time now) {
    if (const auto span = parse_span(text)) return now - *span;
    return rest::parse_rfc3339(text);
}

std::optional<ledger::Time> parse_time_ahead(const std::string& text, ledger::Time now) {
    if (const auto span = parse_span(text)) return now + *span;
    return rest::parse_rfc3339(text);
}

std::string check_time_option(const std::string& text) {
    if (parse_span(text) || rest::parse_rfc3339(text)) return {};
    return "expected days or hours (90d, 12h) or a time such as 2026-01-02T12:00:00Z";
}

std::string to_seconds(ledger::Time time) {
    return ledger::to_rfc3339(time).substr(0, kSecondsLength) + 'Z';
}

}  // namespace millrace::api
