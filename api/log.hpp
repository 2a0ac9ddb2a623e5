#pragma once

#include "api/config.hpp"

#include <string>
#include <string_view>

namespace millrace::api {

/// Makes spdlog's default logger write to standard error as configured: for people, or one JSON
/// object per line with time, level, thread and message. Call once, before the first thread. What
/// is logged never holds keys, tokens, signatures or connection passwords: see `without_password`.
void start_log(const LogConfig& config);

/// A line of the JSON form without its end, for whatever text a message holds.
std::string json_log_line(std::string_view time, std::string_view level, std::size_t thread,
                          std::string_view message);

/// A Postgres URI or keyword string with its password masked, for messages.
std::string without_password(std::string_view connection);

}  // namespace millrace::api
