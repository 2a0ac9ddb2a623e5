#include "api/log.hpp"

#include "ledger/time.hpp"

#include <fmt/format.h>
#include <simdjson.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <regex>

namespace millrace::api {
namespace {

/// RFC 8259: quotation mark, backslash and control characters have to be escaped. Text that is no
/// UTF-8, as an error of the system may be, is escaped byte by byte.
void append_escaped(std::string& out, std::string_view text) {
    const bool utf8 = simdjson::validate_utf8(text.data(), text.size());
    for (const char byte : text) {
        const auto letter = static_cast<unsigned char>(byte);
        if (letter == '"' || letter == '\\') {
            out += '\\';
            out += byte;
        } else if (letter == '\n') {
            out += "\\n";
        } else if (letter < 0x20 || letter == 0x7f || (letter > 0x7f && !utf8)) {
            out += fmt::format("\\u{:04x}", letter);
        } else {
            out += byte;
        }
    }
}

class JsonFormatter : public spdlog::formatter {
public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
        const auto time = std::chrono::time_point_cast<std::chrono::microseconds>(message.time);
        const auto level = spdlog::level::to_string_view(message.level);
        const auto line =
            json_log_line(ledger::to_rfc3339(time), {level.data(), level.size()}, message.thread_id,
                          {message.payload.data(), message.payload.size()}) +
            '\n';
        out.append(line.data(), line.data() + line.size());
    }
    std::unique_ptr<spdlog::formatter> clone() const override {
        return std::make_unique<JsonFormatter>();
    }
};

}  // namespace

std::string json_log_line(std::string_view time, std::string_view level, std::size_t thread,
                          std::string_view message) {
    auto line =
        fmt::format(R"({{"time":"{}","level":"{}","thread":{},"message":")", time, level, thread);
    append_escaped(line, message);
    return line + "\"}";
}

void start_log(const LogConfig& config) {
    auto logger = std::make_shared<spdlog::logger>(
        "millrace", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    logger->set_level(spdlog::level::from_str(config.level));
    if (config.format == "json")
        logger->set_formatter(std::make_unique<JsonFormatter>());
    else
        logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

std::string without_password(std::string_view connection) {
    std::string text(connection);
    static const std::regex in_uri("^([a-z]+://[^:/@]*):[^@]*@");
    static const std::regex as_keyword(R"((password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]*))");
    text = std::regex_replace(text, in_uri, "$1:***@");
    return std::regex_replace(text, as_keyword, "$1***");
}

}  // namespace millrace::api
