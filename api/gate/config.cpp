#include "api/gate/config.hpp"

#include "api/config_reader.hpp"
#include "channel/address.hpp"
#include "channel/config.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace millrace::api::gate {
namespace {

constexpr std::uint64_t kDayMs = 86'400'000;
constexpr std::uint64_t kMebibyte = 1024 * 1024;
constexpr std::uint64_t kTokensMax = 1'000'000'000;
constexpr std::size_t kNameLengthMax = 24;
constexpr std::string_view kUnits = R"(base units of the token as decimal text, such as "100")";
const std::vector<std::string> kFreeByDefault{"/health", "/v1/models", "/v1/models/*"};

bool is_name(std::string_view name) {
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return !name.empty() && name.size() <= kNameLengthMax &&
           name.find_first_not_of(kLetters) == std::string_view::npos;
}

/// "127.0.0.1:8404" or "[::1]:8404".
bool read_listen(std::string_view text, GateConfig& config) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return false;
    auto host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const auto port = text.substr(colon + 1);
    const auto [end, failure] =
        std::from_chars(port.data(), port.data() + port.size(), config.port);
    config.host = host;
    std::array<unsigned char, 16> bytes{};
    return failure == std::errc{} && end == port.data() + port.size() &&
           (inet_pton(AF_INET, config.host.c_str(), bytes.data()) == 1 ||
            inet_pton(AF_INET6, config.host.c_str(), bytes.data()) == 1);
}

template <class Value>
void read_optional(ConfigSection& section, std::string_view key, std::optional<Value>& out,
                   channel::Result<Value> (*parse)(std::string_view), std::string_view expected) {
    if (!section.has(key)) return;
    Value value{};
    section.parsed(key, value, parse, expected);
    out = value;
}

void read_places(ConfigSection& section, GateConfig& config) {
    std::string listen;
    section.text("listen", listen);
    if (!listen.empty() && !read_listen(listen, config))
        section.problem("listen", R"(has to be an IP address and a port, such as "0.0.0.0:8404")");
    section.number("io_threads", config.io_threads, 0, 256);
    section.text("name", config.name);
    if (!is_name(config.name))
        section.problem("name", fmt::format("has to be 1 to {} letters, digits, dots, underscores "
                                            "or hyphens",
                                            kNameLengthMax));
    section.text("public_url", config.public_url);
    while (config.public_url.ends_with('/')) config.public_url.pop_back();
    section.text("admin_path", config.admin_path);
    if (!config.admin_path.starts_with('/') || config.admin_path.size() < 2 ||
        config.admin_path.ends_with('/'))
        section.problem("admin_path", R"(has to be a path, such as "/.millrace")");
    section.text("upstream", config.upstream_url);
    section.text("upstream_key_file", config.upstream_key_file);
    section.text("service", config.service_url);
}

void read_payment(ConfigSection& section, GateConfig& config) {
    section.text("key_file", config.key_file);
    section.text("password_file", config.password_file);
    section.text("delegation_file", config.delegation_file);
    read_optional(section, "network", config.network, &channel::parse_network,
                  R"(a CAIP-2 network, such as "eip155:8453")");
    read_optional(section, "token", config.token, &channel::parse_address,
                  "an address of 40 hex digits");
    read_optional(section, "pay_to", config.pay_to, &channel::parse_address,
                  "an address of 40 hex digits");
    if (section.has("withdraw_delay_seconds")) {
        std::uint64_t seconds = channel::kWithdrawDelaySecondsMin;
        section.number("withdraw_delay_seconds", seconds, channel::kWithdrawDelaySecondsMin,
                       channel::kWithdrawDelaySecondsMax);
        config.withdraw_delay_seconds = seconds;
    }
    section.parsed("deposit_min", config.deposit_min, &channel::parse_amount, kUnits);
    section.flag("ahead_of_payment", config.ahead_of_payment);
}

void read_times(ConfigSection& section, GateConfig& config) {
    section.duration("accept_timeout_ms", config.accept_timeout, 100, kDayMs);
    section.duration("deposit_timeout_ms", config.deposit_timeout, 1000, kDayMs);
    section.duration("charge_timeout_ms", config.charge_timeout, 100, kDayMs);
    section.duration("refund_timeout_ms", config.refund_timeout, 1000, kDayMs);
    section.duration("charge_interval_ms", config.charge_interval, 10, kDayMs);
    section.duration("turn_timeout_ms", config.turn_timeout, 0, kDayMs);
    section.duration("connect_timeout_ms", config.upstream.connect_timeout, 10, kDayMs);
    section.duration("answer_timeout_ms", config.upstream.answer_timeout, 100, kDayMs);
    section.duration("upstream_idle_timeout_ms", config.upstream.idle_timeout, 100, kDayMs);
    section.duration("upstream_keep_alive_ms", config.upstream.keep_alive, 0, kDayMs);
    section.duration("request_timeout_ms", config.connection.request_timeout, 100, kDayMs);
    section.duration("write_timeout_ms", config.connection.write_timeout, 100, kDayMs);
    section.duration("idle_timeout_ms", config.connection.idle_timeout, 100, kDayMs);
    section.duration("drain_timeout_ms", config.drain_timeout, 0, kDayMs);
}

void read_limits(ConfigSection& section, GateConfig& config) {
    section.number("connections_max", config.connections_max, 1, 1'000'000);
    section.number("connections_per_address_max", config.connections_per_address_max, 1, 1'000'000);
    section.number("header_bytes_max", config.connection.header_bytes_max, 4096, kMebibyte);
    section.number("body_bytes_max", config.connection.body_bytes_max, 1024, 1024 * kMebibyte);
    section.number("bodies_bytes_max", config.connection.bodies_bytes_max,
                   config.connection.body_bytes_max, 1024 * 1024 * kMebibyte);
    section.number("bodies_bytes_per_address_max", config.connection.bodies_bytes_per_address_max,
                   config.connection.body_bytes_max, 1024 * 1024 * kMebibyte);
    section.number("reply_bytes_max", config.reply_bytes_max, 1024, 1024 * kMebibyte);
    section.number("replies_bytes_max", config.replies_bytes_max, config.reply_bytes_max,
                   1024 * 1024 * kMebibyte);
    section.number("event_bytes_max", config.event_bytes_max, 1024, 1024 * kMebibyte);
    section.number("upstream_calls_max", config.upstream_calls_max, 1, 1'000'000);
    section.number("free_calls_max", config.free_calls_max, 1, 1'000'000);
    section.number("upstream_idle_connections_max", config.upstream.idle_connections_max, 0,
                   100'000);
    section.number("waiting_per_channel_max", config.waiting_per_channel_max, 0, 100'000);
    section.number("outstanding_max", config.outstanding_max, 1, 10'000'000);
}

void read_gate(const toml::table* table, GateConfig& config, const Environment& environment,
               ConfigProblems& problems, std::set<std::string>& overrides) {
    ConfigSection section(table, "gate", &environment, problems);
    read_places(section, config);
    read_payment(section, config);
    read_times(section, config);
    read_limits(section, config);
    auto free = kFreeByDefault;
    section.texts("free", free);
    for (const auto& one : free) {
        config.prices.free.push_back(parse_free_path(one));
        if (!config.prices.free.back().path.starts_with('/'))
            section.problem("free",
                            R"(has to list paths, such as "/v1/models" or "POST /tokenize")");
    }
    section.finish();
    overrides.insert(section.overrides().begin(), section.overrides().end());
}

PriceRule read_rule(const toml::table& table, ConfigProblems& problems) {
    PriceRule rule;
    ConfigSection section(&table, "prices", nullptr, problems);
    section.texts("paths", rule.paths);
    const bool are_paths = std::all_of(rule.paths.begin(), rule.paths.end(),
                                       [](const auto& path) { return path.starts_with('/'); });
    if (rule.paths.empty() || !are_paths)
        section.problem("paths", R"(has to list paths, such as ["/v1/chat/completions"])");
    section.texts("models", rule.models);
    section.parsed("request", rule.price.request, &channel::parse_amount, kUnits);
    section.parsed("input_per_1k", rule.price.input_per_1k, &channel::parse_amount, kUnits);
    section.parsed("output_per_1k", rule.price.output_per_1k, &channel::parse_amount, kUnits);
    section.number("input_tokens_max", rule.input_tokens_max, 1, kTokensMax);
    section.number("input_tokens_extra", rule.input_tokens_extra, 0, kTokensMax);
    section.number("input_tokens_per_attachment", rule.input_tokens_per_attachment, 0, kTokensMax);
    section.number("output_tokens_max", rule.output_tokens_max, 1, kTokensMax);
    section.text("description", rule.description);
    if (channel::is_fixed(rule.price) && rule.price.request.is_zero())
        section.problem("request",
                        "or input_per_1k or output_per_1k has to be above 0; what costs "
                        "nothing belongs into gate.free");
    section.finish();
    return rule;
}

void read_rules(const toml::table& root, GateConfig& config, ConfigProblems& problems) {
    const auto* node = root.get("prices");
    if (!node) return;
    const auto* rules = node->as_array();
    if (!rules || !rules->is_homogeneous<toml::table>()) {
        problems.lines.push_back(fmt::format("{}:{}: prices: has to be written as [[prices]]",
                                             problems.file, node->source().begin.line));
        return;
    }
    for (const auto& entry : *rules)
        config.prices.rules.push_back(read_rule(*entry.as_table(), problems));
}

void read_log(const toml::table* table, LogConfig& log, const Environment& environment,
              ConfigProblems& problems, std::set<std::string>& overrides) {
    ConfigSection section(table, "log", &environment, problems);
    section.word("level", log.level, {"trace", "debug", "info", "warn", "error", "off"});
    section.word("format", log.format, {"console", "json"});
    section.finish();
    overrides.insert(section.overrides().begin(), section.overrides().end());
}

/// "KEY_FILE" of "key_file" for the environment, "--key-file" for the command line.
std::string variable_of(std::string_view key) {
    std::string variable = "MILLRACE_GATE__";
    for (const char letter : key)
        variable += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    return variable;
}

std::string option_of(std::string_view key) {
    auto option = "--" + std::string(key);
    std::replace(option.begin(), option.end(), '_', '-');
    return option;
}

bool begins_with_base(std::string_view path, std::string_view base) {
    if (!base.ends_with("/v1") || !path.starts_with(base)) return false;
    return path.size() == base.size() || path[base.size()] == '/' || path[base.size()] == '*';
}

/// A model server's URL as its own clients are told it often ends with the /v1 that the gate's
/// clients ask for already.
std::optional<std::string> why_not_base(const GateConfig& config, std::string_view base) {
    for (const auto& rule : config.prices.rules)
        for (const auto& path : rule.paths)
            if (begins_with_base(path, base))
                return fmt::format(
                    "gate.upstream (--upstream): {0} ends with {1}, and the priced path {2} begins "
                    "with it, so that the model server would be asked for {1}{2}: leave {1} out of "
                    "gate.upstream",
                    config.upstream_url, base, path);
    return std::nullopt;
}

bool is_of_gate(std::string_view name) {
    return name.starts_with("MILLRACE_GATE__") || name.starts_with("MILLRACE_LOG__");
}

}  // namespace

GateConfig parse_gate_config(std::string_view text, const std::string& file,
                             std::map<std::string, std::string> environment,
                             const GateOverrides& command_line) {
    const auto root = parse_toml(text, file);
    ConfigProblems problems{file, {}};
    for (const auto& [key, value] : command_line) {
        environment[variable_of(key)] = value;
        problems.options.emplace(variable_of(key), option_of(key));
    }
    GateConfig config;
    std::set<std::string> overrides;
    read_gate(root["gate"].as_table(), config, environment, problems, overrides);
    read_log(root["log"].as_table(), config.log, environment, problems, overrides);
    read_rules(root, config, problems);
    for (const auto& [key, node] : root)
        if (key != "gate" && key != "log" && key != "prices")
            problems.lines.push_back(
                fmt::format("{}:{}: {}: there is no such section; there are: gate, log, prices",
                            file, key.source().begin.line, key.str()));
    for (const auto& [name, value] : environment)
        if (!overrides.contains(name))
            problems.lines.push_back(
                fmt::format("environment: {}: names no key of the configuration; unset it", name));
    if (!problems.lines.empty())
        throw ConfigError(fmt::format("{}", fmt::join(problems.lines, "\n")));
    return config;
}

GateConfig load_gate_config(const std::string& path, const GateOverrides& command_line) {
    auto environment = environment_of_process(is_of_gate);
    if (path.empty())
        return parse_gate_config("", "defaults", std::move(environment), command_line);
    return parse_gate_config(read_config_file(path), path, std::move(environment), command_line);
}

void check(const GateConfig& config) {
    std::vector<std::string> wrong;
    if (config.upstream_url.empty()) {
        wrong.emplace_back(
            "gate.upstream (--upstream) is missing: the model server, such as "
            "http://127.0.0.1:11434");
    } else {
        const auto upstream = parse_upstream("gate.upstream (--upstream)", config.upstream_url);
        if (auto why = why_not_base(config, upstream.base_path)) wrong.push_back(std::move(*why));
    }
    parse_service_address("gate.service (--service)", config.service_url);
    if (config.key_file.empty())
        wrong.emplace_back(
            "gate.key_file (--key-file) is missing: the receiver's key, or one that it has "
            "delegated to; make one with: millrace keys new --out FILE");
    if (config.prices.rules.empty())
        wrong.emplace_back(
            "no prices: write [[prices]] into the configuration, or give --price-request, "
            "--price-input or --price-output");
    if (!wrong.empty()) throw ConfigError(fmt::format("{}", fmt::join(wrong, "\n")));
}

}  // namespace millrace::api::gate
