#include "api/config.hpp"

#include "api/config_reader.hpp"
#include "channel/address.hpp"
#include "channel/config.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>

namespace millrace::api {
namespace {

constexpr std::uint64_t kDayMs = 86'400'000;
constexpr std::uint64_t kYearSeconds = 31'536'000;
constexpr std::uint64_t kKibibyte = 1024;
constexpr std::uint64_t kMebibyte = 1024 * kKibibyte;
constexpr std::size_t kSecretHexDigitsMin = 64;
constexpr std::size_t kSha256HexDigits = 64;

bool is_hex(std::string_view text) {
    return text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

bool has_space(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](unsigned char letter) { return letter <= ' ' || letter == 0x7f; });
}

bool is_ip_address(const std::string& text) {
    std::array<unsigned char, 16> bytes{};
    return inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
           inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

void read(ConfigSection& section, ServerConfig& server) {
    section.text("host", server.host);
    if (!is_ip_address(server.host))
        section.problem("host",
                        R"(has to be an IP address to listen on, such as "127.0.0.1" or "::")");
    section.number("port", server.port, 0, 65'535);
    section.text("domain", server.domain);
    if (server.domain.empty() || has_space(server.domain) ||
        server.domain.find('/') != std::string::npos)
        section.problem("domain",
                        R"(has to be a host, perhaps with a port, such as "pay.example.com")");
    section.text("uri", server.uri);
    if (has_space(server.uri) || server.uri.find("://") == std::string::npos)
        section.problem("uri", R"(has to be a URI, such as "https://pay.example.com")");
    section.number("io_threads", server.io_threads, 0, 256);
    section.flag("metrics_public", server.metrics_public);
    section.duration("drain_timeout_ms", server.drain_timeout, 0, kDayMs);
}

void read(ConfigSection& section, LimitsConfig& limits) {
    section.number("frame_bytes_max", limits.frame_bytes_max, 1024, 16 * kMebibyte);
    section.number("json_depth_max", limits.json_depth_max, 4, 64);
    section.number("batch_requests_max", limits.batch_requests_max, 1, 10'000);
    section.number("in_flight_max", limits.in_flight_max, 1, 1'000'000);
    section.number("connections_max", limits.connections_max, 1, 1'000'000);
    section.number("connections_per_address_max", limits.connections_per_address_max, 1, 1'000'000);
    section.number("subscriptions_per_connection_max", limits.subscriptions_per_connection_max, 1,
                   10'000);
    section.number("outbound_bytes_max", limits.outbound_bytes_max, 64 * kKibibyte,
                   1024 * kMebibyte);
    section.number("reservations_per_channel_max", limits.reservations_per_channel_max, 1, 100'000);
    section.number("channels_per_payer_max", limits.channels_per_payer_max, 1, 100'000'000);
    section.number("detail_bytes_max", limits.detail_bytes_max, 256, kMebibyte);
    section.number("http_body_bytes_max", limits.http_body_bytes_max, 1024, 16 * kMebibyte);
    section.number("logins_pending_max", limits.logins_pending_max, 1, 10'000'000);
    section.number("shard_queue_max", limits.shard_queue_max, 1, 10'000'000);
    section.duration("deposit_wait_seconds", limits.deposit_wait, 1, 3600);
    section.number("deposits_awaited_max", limits.deposits_awaited_max, 1, 1'000'000);
    section.duration("idle_timeout_seconds", limits.idle_timeout, 5, 86'400);
    section.duration("handshake_timeout_seconds", limits.handshake_timeout, 1, 300);
}

void check_digests(ConfigSection& section, std::string_view key,
                   const std::vector<std::string>& digests) {
    for (const auto& digest : digests) {
        if (digest.size() == kSha256HexDigits && is_hex(digest)) continue;
        section.problem(key,
                        "has to list SHA-256 digests of 64 hex digits each; make one with: "
                        "printf %s \"$TOKEN\" | sha256sum");
    }
}

void read(ConfigSection& section, AuthConfig& auth) {
    section.duration("challenge_ttl_seconds", auth.challenge_ttl, 1, 3600);
    section.duration("token_ttl_seconds", auth.token_ttl, 1, kYearSeconds);
    section.text("token_secret", auth.token_secret);
    const auto& secret = auth.token_secret;
    if (!secret.empty() &&
        (secret.size() < kSecretHexDigitsMin || secret.size() % 2 != 0 || !is_hex(secret)))
        section.problem("token_secret",
                        "has to be at least 64 hex digits, or empty; make one "
                        "with: openssl rand -hex 32");
    section.texts("auditor_token_sha256", auth.auditor_token_sha256);
    check_digests(section, "auditor_token_sha256", auth.auditor_token_sha256);
    section.texts("operator_token_sha256", auth.operator_token_sha256);
    check_digests(section, "operator_token_sha256", auth.operator_token_sha256);
}

void read(ConfigSection& section, LedgerConfig& ledger) {
    section.text("postgres", ledger.postgres);
    if (ledger.postgres.empty())
        section.problem("postgres",
                        R"(has to be a connection URI, such as "postgresql:///millrace")");
    section.number("shards", ledger.shards, 0, 1024);
    section.number("readers", ledger.readers, 1, 256);
    section.duration("lease_duration_ms", ledger.lease_duration, 200, 600'000);
    section.duration("commit_timeout_ms", ledger.commit_timeout, 100, 600'000);
    section.duration("post_within_ms", ledger.post_within, 0, 10'000);
    section.flag("check_every_signature", ledger.check_every_signature);
    section.number("key_tables_max", ledger.key_tables_max, 0, 1'000'000);
}

void read(ConfigSection& section, KeysConfig& keys) {
    section.text("receiver_authorizer_file", keys.receiver_authorizer_file);
    section.text("relayer_file", keys.relayer_file);
    section.text("password_file", keys.password_file);
    section.flag("in_process", keys.in_process);
}

void read(ConfigSection& section, SignerConfig& signer) {
    section.text("socket", signer.socket);
    section.text("service_user", signer.service_user);
    section.text("state_directory", signer.state_directory);
    section.duration("timeout_ms", signer.timeout, 100, 600'000);
    section.number("signatures_per_minute_max", signer.signatures_per_minute_max, 1, 1'000'000);
    section.flag("contract_payers", signer.contract_payers);
}

/// A million whole tokens.
channel::Amount million_of(int decimals) {
    channel::Uint128 units = 1'000'000;
    for (int n = 0; n < decimals; ++n) {
        if (units > channel::Amount::max().units() / 10) return channel::Amount::max();
        units *= 10;
    }
    return channel::Amount{units};
}

void read(ConfigSection& section, TransparencyConfig& transparency) {
    section.text("origin", transparency.origin);
    if (has_space(transparency.origin) || transparency.origin.find('+') != std::string::npos)
        section.problem("origin", "has to be a name without spaces and '+'");
    section.text("key_file", transparency.key_file);
    section.text("state_file", transparency.state_file);
    if (!transparency.key_file.empty() && transparency.origin.empty())
        section.problem("origin", "has to name the log, such as \"millrace.example/log\"");
    section.duration("seal_interval_ms", transparency.seal_interval, 10, 60'000);
}

void read(ConfigSection& section, X402Config& x402) {
    section.flag("enabled", x402.enabled);
    section.duration("wait_ms", x402.wait, 100, 600'000);
    section.number("confirmations", x402.confirmations, 1, 10'000);
    section.number("verify_per_minute_max", x402.verify_per_minute_max, 1, 1'000'000);
    section.number("settle_per_minute_max", x402.settle_per_minute_max, 1, 1'000'000);
    section.number("in_flight_max", x402.in_flight_max, 1, 100'000);
    section.parsed("cost_per_hour_max", x402.cost_per_hour_max, &channel::parse_amount,
                   R"(wei as decimal text, such as "1000000000000000000")");
}

void read(ConfigSection& section, LogConfig& log) {
    section.word("level", log.level, {"trace", "debug", "info", "warn", "error", "off"});
    section.word("format", log.format, {"console", "json"});
}

void require(ConfigSection& section, std::initializer_list<std::string_view> keys) {
    for (const auto key : keys)
        if (!section.has(key)) section.problem(key, "is missing, and has no default");
}

/// Left out: all that the network has a collector for.
void read_transfer_methods(ConfigSection& section, const NetworkConfig& network,
                           TokenConfig& token) {
    std::vector<std::string> given;
    section.texts("transfer_methods", given);
    const bool has_permit2 = !network.permit2_collector.is_zero();
    if (!section.has("transfer_methods")) {
        if (has_permit2) token.transfer_methods.push_back(TransferMethod::permit2);
        return;
    }
    token.transfer_methods.clear();
    for (const auto& name : given) {
        if (name == to_string(TransferMethod::eip3009))
            token.transfer_methods.push_back(TransferMethod::eip3009);
        else if (name == to_string(TransferMethod::permit2) && has_permit2)
            token.transfer_methods.push_back(TransferMethod::permit2);
        else if (name == to_string(TransferMethod::permit2))
            section.problem("transfer_methods", "needs the network's permit2_collector");
        else
            section.problem("transfer_methods", R"(has to list "eip3009", "permit2" or both)");
    }
    if (given.empty())
        section.problem("transfer_methods", R"(has to list "eip3009", "permit2" or both)");
}

TokenConfig read_token(const toml::table& table, const std::string& name,
                       const NetworkConfig& network, ConfigProblems& problems) {
    TokenConfig token;
    ConfigSection section(&table, name, nullptr, problems);
    require(section, {"address", "name", "version", "symbol", "decimals"});
    section.parsed("address", token.address, &channel::parse_address,
                   "an address of 40 hex digits");
    section.text("name", token.name);
    section.text("version", token.version);
    section.text("symbol", token.symbol);
    section.number("decimals", token.decimals, 0, 36);
    read_transfer_methods(section, network, token);
    section.parsed("deposit_min", token.deposit_min, &channel::parse_amount,
                   R"(base units as decimal text, such as "1000000")");
    section.parsed("claim_threshold", token.claim_threshold, &channel::parse_amount,
                   R"(base units as decimal text, such as "1000000"; "0": never)");
    section.parsed("coin_price", token.coin_price, &channel::parse_amount,
                   R"(base units for one whole coin as decimal text, such as "3000000000"; "0")");
    token.signed_value_per_hour_max = million_of(token.decimals);
    section.parsed("signed_value_per_hour_max", token.signed_value_per_hour_max,
                   &channel::parse_amount, R"(base units as decimal text, such as "1000000")");
    if (section.has("address") && token.address.is_zero())
        section.problem("address", "cannot be zero: that stands for the network's own coin");
    section.finish();
    return token;
}

void read_rpc_urls(ConfigSection& section, std::vector<std::string>& urls) {
    section.texts("rpc_urls", urls);
    const auto will_do = [](const std::string& url) {
        return !has_space(url) && (url.starts_with("http://") || url.starts_with("https://"));
    };
    if (urls.empty() || !std::all_of(urls.begin(), urls.end(), will_do))
        section.problem("rpc_urls",
                        R"(has to list at least one node, such as ["http://127.0.0.1:8545"])");
}

void read_tokens(const toml::table& table, const std::string& name, NetworkConfig& network,
                 ConfigSection& section, ConfigProblems& problems) {
    const auto* tokens = table["tokens"].as_array();
    if (!tokens || tokens->empty() || !tokens->is_homogeneous<toml::table>()) {
        section.problem("tokens", "has to have at least one [[networks.tokens]]");
        return;
    }
    for (const auto& entry : *tokens) {
        auto token = read_token(*entry.as_table(), name + ".tokens", network, problems);
        const auto same = [&](const TokenConfig& other) { return other.address == token.address; };
        if (std::any_of(network.tokens.begin(), network.tokens.end(), same))
            section.problem("tokens", "lists a token twice");
        network.tokens.push_back(std::move(token));
    }
}

NetworkConfig read_network(const toml::table& table, ConfigProblems& problems) {
    NetworkConfig network;
    const std::string name = "networks";
    ConfigSection section(&table, name, nullptr, problems);
    require(section, {"network", "rpc_urls", "contract", "erc3009_collector"});
    section.parsed("network", network.network, &channel::parse_network,
                   R"(a CAIP-2 network, such as "eip155:8453")");
    read_rpc_urls(section, network.rpc_urls);
    section.number("rpc_agreement", network.rpc_agreement, 0, network.rpc_urls.size());
    section.parsed("contract", network.contract, &channel::parse_address,
                   "an address of 40 hex digits");
    section.parsed("erc3009_collector", network.erc3009_collector, &channel::parse_address,
                   "an address of 40 hex digits");
    section.parsed("permit2_collector", network.permit2_collector, &channel::parse_address,
                   "an address of 40 hex digits");
    section.number("confirmations", network.confirmations, 1, 10'000);
    section.number("withdraw_delay_seconds_min", network.withdraw_delay_seconds_min,
                   channel::kWithdrawDelaySecondsMin, channel::kWithdrawDelaySecondsMax);
    section.number("withdraw_delay_seconds_max", network.withdraw_delay_seconds_max,
                   channel::kWithdrawDelaySecondsMin, channel::kWithdrawDelaySecondsMax);
    if (network.withdraw_delay_seconds_min > network.withdraw_delay_seconds_max)
        section.problem("withdraw_delay_seconds_max", "is below withdraw_delay_seconds_min");
    section.duration("poll_interval_ms", network.poll_interval, 10, 600'000);
    section.duration("rpc_timeout_ms", network.rpc_timeout, 100, 600'000);
    section.duration("claim_interval_seconds", network.claim_interval, 0, kYearSeconds);
    section.number("claim_rows_max", network.claim_rows_max, 1, 1000);
    section.number("claim_gas_percent_max", network.claim_gas_percent_max, 1, 1000);
    section.parsed("max_fee_per_gas", network.max_fee_per_gas, &channel::parse_amount,
                   R"(wei as decimal text, such as "200000000000")");
    section.parsed("priority_fee_per_gas", network.priority_fee_per_gas, &channel::parse_amount,
                   R"(wei as decimal text, such as "1000000000")");
    section.parsed("signed_cost_per_hour_max", network.signed_cost_per_hour_max,
                   &channel::parse_amount, R"(wei as decimal text, such as "5000000000000000000")");
    section.text("coin", network.coin);
    read_tokens(table, name, network, section, problems);
    section.finish({"tokens"});
    return network;
}

void read_networks(const toml::table& root, Config& config, ConfigProblems& problems) {
    const auto* node = root.get("networks");
    if (!node) return;
    const auto* networks = node->as_array();
    if (!networks || !networks->is_homogeneous<toml::table>()) {
        problems.lines.push_back(fmt::format("{}:{}: networks: has to be written as [[networks]]",
                                             problems.file, node->source().begin.line));
        return;
    }
    for (const auto& entry : *networks) {
        auto network = read_network(*entry.as_table(), problems);
        const auto same = [&](const NetworkConfig& other) {
            return other.network == network.network;
        };
        if (std::any_of(config.networks.begin(), config.networks.end(), same))
            problems.lines.push_back(fmt::format("{}:{}: networks.network: is there twice",
                                                 problems.file, entry.source().begin.line));
        config.networks.push_back(std::move(network));
    }
}

/// Reads the sections of a file one by one and keeps count of the environment's overrides.
class Sections {
public:
    Sections(const toml::table& root, const Environment& environment, ConfigProblems& problems)
        : root_(root), environment_(environment), problems_(problems) {}

    template <class Part>
    void section(const std::string& name, Part& part) {
        known_.push_back(name);
        const auto* node = root_.get(name);
        if (node && !node->is_table()) {
            problems_.lines.push_back(fmt::format("{}:{}: {}: has to be a section, written [{}]",
                                                  problems_.file, node->source().begin.line, name,
                                                  name));
            return;
        }
        ConfigSection section(node ? node->as_table() : nullptr, name, &environment_, problems_);
        read(section, part);
        section.finish();
        overrides_.insert(section.overrides().begin(), section.overrides().end());
    }

    void finish() {
        known_.emplace_back("networks");
        for (const auto& [key, node] : root_) {
            if (std::find(known_.begin(), known_.end(), key.str()) != known_.end()) continue;
            problems_.lines.push_back(
                fmt::format("{}:{}: {}: there is no such section; there are: {}", problems_.file,
                            key.source().begin.line, key.str(), fmt::join(known_, ", ")));
        }
        for (const auto& [name, value] : environment_) {
            if (name.find("__") == std::string::npos || overrides_.contains(name)) continue;
            problems_.lines.push_back(
                fmt::format("environment: {}: names no key of the configuration; unset it", name));
        }
    }

private:
    const toml::table& root_;
    const Environment& environment_;
    ConfigProblems& problems_;
    std::vector<std::string> known_;
    std::set<std::string> overrides_;
};

/// A gate's own may be set on the same machine.
bool is_of_service(std::string_view name) {
    return name.starts_with("MILLRACE_") && !name.starts_with("MILLRACE_GATE__");
}

}  // namespace

std::string_view to_string(TransferMethod method) {
    switch (method) {
        case TransferMethod::eip3009:
            return "eip3009";
        case TransferMethod::permit2:
            return "permit2";
    }
    return "";
}

bool takes(const TokenConfig& token, TransferMethod method) {
    const auto& methods = token.transfer_methods;
    return std::find(methods.begin(), methods.end(), method) != methods.end();
}

Config parse_config(std::string_view text, const std::string& file,
                    const std::map<std::string, std::string>& environment) {
    const auto root = parse_toml(text, file);
    ConfigProblems problems{file, {}};
    Config config;
    Sections sections(root, environment, problems);
    sections.section("server", config.server);
    sections.section("limits", config.limits);
    sections.section("auth", config.auth);
    sections.section("ledger", config.ledger);
    sections.section("keys", config.keys);
    sections.section("signer", config.signer);
    sections.section("transparency", config.transparency);
    sections.section("x402", config.x402);
    sections.section("log", config.log);
    sections.finish();
    read_networks(root, config, problems);
    if (!problems.lines.empty())
        throw ConfigError(fmt::format("{}", fmt::join(problems.lines, "\n")));
    return config;
}

Config load_config(const std::string& path) {
    if (path.empty()) return parse_config("", "defaults", environment_of_process(is_of_service));
    const auto text = read_config_file(path);
    return parse_config(text, path, environment_of_process(is_of_service));
}

}  // namespace millrace::api
