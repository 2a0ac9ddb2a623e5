#pragma once

#include "ledger/time.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::api {

/// "90d" or "12h", of at most five digits; nothing for other text.
std::optional<std::chrono::hours> parse_span(std::string_view text);

/// What the option names: an RFC 3339 time, or so long before or after `now`. Nothing for other
/// text.
std::optional<ledger::Time> parse_time_ago(const std::string& text, ledger::Time now);
std::optional<ledger::Time> parse_time_ahead(const std::string& text, ledger::Time now);

/// For CLI::Option::check: what is wrong with it; empty when it is either.
std::string check_time_option(const std::string& text);

/// "2026-01-02T03:04:05Z", for people.
std::string to_seconds(ledger::Time time);

}  // namespace millrace::api
