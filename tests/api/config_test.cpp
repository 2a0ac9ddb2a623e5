#include "api/config.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <regex>
#include <sstream>

using namespace millrace;
using api::Config;
using api::ConfigError;

namespace {

using Environment = std::map<std::string, std::string>;

Config parse(const std::string& text, const Environment& environment = {}) {
    return api::parse_config(text, "test.toml", environment);
}

/// What is said of a configuration that will not do.
std::string wrong(const std::string& text, const Environment& environment = {}) {
    try {
        parse(text, environment);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "nothing is wrong";
}

std::string read(const std::string& path) {
    std::ifstream file(std::string(MILLRACE_SOURCE_DIR "/") + path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

const std::string kNetwork = R"(
[[networks]]
network = "eip155:8453"
rpc_urls = ["https://a.example", "https://b.example"]
contract = "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003"
erc3009_collector = "0x4020806089470a89826cB9fB1f4059150b550004"
)";
const std::string kToken = R"([[networks.tokens]]
address = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
name = "USD Coin"
version = "2"
symbol = "USDC"
decimals = 6
)";

/// As the messages about unknown keys list them, in all sections.
int keys_known() {
    int known = 0;
    std::vector<std::string> texts;
    for (const auto* section :
         {"server", "limits", "auth", "ledger", "keys", "signer", "transparency", "x402", "log"})
        texts.push_back(std::string("[") + section + "]\nunheard = 1\n");
    texts.push_back(kNetwork + "unheard = 1\n" + kToken);
    texts.push_back(kNetwork + kToken + "unheard = 1\n");
    for (const auto& text : texts) {
        const auto said = wrong(text);
        const auto list = said.substr(said.find(" are: "));
        known += 1 + static_cast<int>(std::count(list.begin(), list.end(), ','));
    }
    // The list of [[networks.tokens]] is no key with a value.
    return known - 1;
}

}  // namespace

TEST_CASE("config: nothing given is the defaults", "[config]") {
    const auto config = parse("");
    CHECK(config.server.port == 8402);
    CHECK(config.limits.frame_bytes_max == 65536);
    CHECK(config.networks.empty());
}

TEST_CASE("config: the example file has every key with its default", "[config]") {
    const auto text = read("config/millrace.toml");
    const auto config = parse(text);
    const Config defaults;
    REQUIRE(config.networks.size() == 1);
    CHECK(config.limits.outbound_bytes_max == defaults.limits.outbound_bytes_max);
    CHECK(config.networks[0].confirmations == api::NetworkConfig{}.confirmations);
    CHECK(config.networks[0].max_fee_per_gas == api::NetworkConfig{}.max_fee_per_gas);
    CHECK(config.networks[0].tokens[0].deposit_min == api::TokenConfig{}.deposit_min);
    CHECK(config.networks[0].tokens[0].transfer_methods ==
          std::vector<api::TransferMethod>{api::TransferMethod::eip3009,
                                           api::TransferMethod::permit2});

    // A line with another value must be refused, which it is only if the key is read.
    std::stringstream lines(text);
    std::smatch match;
    int keys = 0;
    for (std::string line; std::getline(lines, line);) {
        if (!std::regex_match(line, match, std::regex("([a-z_0-9]+) = .*"))) continue;
        ++keys;
        const auto key = match[1].str();
        CAPTURE(key);
        const auto changed =
            std::regex_replace(text, std::regex("\n" + key + " = [^\n]*"), "\n" + key + " = 1.5",
                               std::regex_constants::format_first_only);
        CHECK(wrong(changed).find("." + key + ": ") != std::string::npos);
    }
    CHECK(keys == keys_known());
}

TEST_CASE("config: values are taken as written", "[config]") {
    const auto config = parse(R"(
[server]
host = "::1"
port = 1
metrics_public = false
drain_timeout_ms = 1500
[auth]
token_ttl_seconds = 60
auditor_token_sha256 = ["0000000000000000000000000000000000000000000000000000000000000000"]
)" + kNetwork +
                              "confirmations = 3\nclaim_interval_seconds = 60\nrpc_agreement = 2\n"
                              "claim_gas_percent_max = 5\nmax_fee_per_gas = "
                              "\"340282366920938463463374607431768211455\"\n" +
                              kToken + "deposit_min = \"5\"\ncoin_price = \"3000000000\"\n");
    CHECK(config.server.host == "::1");
    CHECK(config.server.port == 1);
    CHECK_FALSE(config.server.metrics_public);
    CHECK(config.server.drain_timeout == std::chrono::milliseconds{1500});
    CHECK(config.auth.token_ttl == std::chrono::seconds{60});
    CHECK(config.auth.auditor_token_sha256.size() == 1);
    REQUIRE(config.networks.size() == 1);
    const auto& network = config.networks[0];
    CHECK(network.network.chain_id == 8453);
    CHECK(network.rpc_urls == std::vector<std::string>{"https://a.example", "https://b.example"});
    CHECK(network.rpc_agreement == 2);
    CHECK(network.claim_gas_percent_max == 5);
    CHECK(network.tokens.at(0).coin_price == channel::Amount{3'000'000'000});
    CHECK(network.confirmations == 3);
    CHECK(network.claim_interval == std::chrono::seconds{60});
    CHECK(network.max_fee_per_gas == channel::Amount::max());
    REQUIRE(network.tokens.size() == 1);
    CHECK(network.tokens[0].decimals == 6);
    CHECK(network.tokens[0].deposit_min == channel::Amount{5});
}

TEST_CASE("config: the environment overrides the file", "[config]") {
    const auto config = parse("[server]\nport = 1\nhost = \"::1\"\n",
                              {{"MILLRACE_SERVER__PORT", "2"},
                               {"MILLRACE_SERVER__METRICS_PUBLIC", "false"},
                               {"MILLRACE_LEDGER__POSTGRES", "postgresql://db/x"},
                               {"MILLRACE_LOG__LEVEL", "debug"},
                               {"MILLRACE_AUTH__OPERATOR_TOKEN_SHA256",
                                std::string(64, 'a') + "," + std::string(64, 'b')},
                               {"MILLRACE_URL", "not a key of the configuration"}});
    CHECK(config.server.port == 2);
    CHECK(config.server.host == "::1");
    CHECK_FALSE(config.server.metrics_public);
    CHECK(config.ledger.postgres == "postgresql://db/x");
    CHECK(config.log.level == "debug");
    CHECK(config.auth.operator_token_sha256 ==
          std::vector<std::string>{std::string(64, 'a'), std::string(64, 'b')});
}

TEST_CASE("config: a value that will not do is told with file, line, key and remedy", "[config]") {
    struct Case {
        std::string text;
        std::string said;
    };
    const std::vector<Case> cases{
        {"[server]\nport = 70000\n",
         "test.toml:2: server.port: has to be a whole number from 0 to 65535"},
        {"[server]\nport = -1\n", "test.toml:2: server.port: "},
        {"[server]\nport = \"80\"\n", "without quotation marks"},
        {"[server]\nport = 8.5\n", "test.toml:2: server.port: "},
        {"[server]\nhost = 7\n", "test.toml:2: server.host: has to be text"},
        {"[server]\nhost = \"example.com\"\n", "test.toml:2: server.host: has to be an IP address"},
        {"[server]\ndomain = \"https://x/\"\n", "server.domain: has to be a host"},
        {"[server]\nuri = \"example.com\"\n", "server.uri: has to be a URI"},
        {"[server]\nmetrics_public = \"yes\"\n", "server.metrics_public: has to be true or false"},
        {"[server]\nprot = 1\n",
         "test.toml:2: server.prot: there is no such key; keys of server are: "},
        {"[sever]\n", "test.toml:1: sever: there is no such section; there are: server, "},
        {"server = 1\n", "test.toml:1: server: has to be a section, written [server]"},
        {"[limits]\nframe_bytes_max = 1\n",
         "limits.frame_bytes_max: has to be a whole number from 1024"},
        {"[auth]\ntoken_secret = \"abc\"\n", "openssl rand -hex 32"},
        {"[auth]\nauditor_token_sha256 = \"abc\"\n", "has to be a list of texts"},
        {"[auth]\nauditor_token_sha256 = [\"abc\"]\n", "sha256sum"},
        {"[auth]\nauditor_token_sha256 = [1]\n", "has to be a list of texts"},
        {"[ledger]\npostgres = \"\"\n", "ledger.postgres: has to be a connection URI"},
        {"[signer]\ntimeout_ms = 1\n", "signer.timeout_ms: has to be a whole number from 100"},
        {"[keys]\nin_process = 1\n", "keys.in_process: has to be true or false"},
        {"[log]\nlevel = \"loud\"\n", "log.level: has to be one of: trace, debug, info"},
        {"[log]\nformat = \"xml\"\n", "log.format: has to be one of: console, json"},
        {"[server\n", "test.toml:1: not TOML"},
        {"networks = 1\n", "networks: has to be written as [[networks]]"},
        {"[[networks]]\n", "networks.contract: is missing, and has no default"},
        {kNetwork, "test.toml:2: networks.tokens: has to have at least one [[networks.tokens]]"},
        {kNetwork + "confirmations = 0\n" + kToken, "networks.confirmations: has to be"},
        {kNetwork + "withdraw_delay_seconds_min = 899\n" + kToken, "withdraw_delay_seconds_min"},
        {kNetwork + "withdraw_delay_seconds_min = 2000\nwithdraw_delay_seconds_max = 1000\n" +
             kToken,
         "is below withdraw_delay_seconds_min"},
        {kNetwork + "max_fee_per_gas = 5\n" + kToken, "networks.max_fee_per_gas: has to be text"},
        {kNetwork + "max_fee_per_gas = \"5.0\"\n" + kToken, "wei as decimal text"},
        {kNetwork + kToken + kNetwork + kToken, "networks.network: is there twice"},
        {kNetwork + kToken + kToken, "networks.tokens: lists a token twice"},
        {kNetwork + kToken + "color = 1\n", "networks.tokens.color: there is no such key"},
        {kNetwork + kToken + "transfer_methods = [\"permit2\"]\n",
         "networks.tokens.transfer_methods: needs the network's permit2_collector"},
        {kNetwork + kToken + "transfer_methods = [\"erc20\"]\n",
         "networks.tokens.transfer_methods: has to list"},
        {kNetwork + kToken + "transfer_methods = []\n",
         "networks.tokens.transfer_methods: has to list"},
        {kNetwork + kToken + "deposit_min = 1\n", "networks.tokens.deposit_min: has to be text"},
        {std::regex_replace(kNetwork, std::regex("eip155:8453"), "8453") + kToken,
         "networks.network: has to be a CAIP-2 network"},
        {std::regex_replace(kNetwork, std::regex("https://b.example"), "b.example") + kToken,
         "networks.rpc_urls: has to list at least one node"},
        {std::regex_replace(kNetwork + kToken,
                            std::regex("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"),
                            "0x0000000000000000000000000000000000000000"),
         "networks.tokens.address: cannot be zero"},
    };
    for (const auto& one : cases) {
        CAPTURE(one.text);
        CHECK_THAT(wrong(one.text), Catch::Contains(one.said));
    }
}

TEST_CASE("config: a wrong override names its variable", "[config]") {
    CHECK_THAT(wrong("", {{"MILLRACE_SERVER__PORT", "x"}}),
               Catch::Contains("environment: MILLRACE_SERVER__PORT: has to be a whole number"));
    CHECK_THAT(wrong("", {{"MILLRACE_SERVER__PROT", "1"}}),
               Catch::Contains("environment: MILLRACE_SERVER__PROT: names no key"));
    CHECK_THAT(wrong("", {{"MILLRACE_NETWORKS__NETWORK", "eip155:1"}}),
               Catch::Contains("environment: MILLRACE_NETWORKS__NETWORK: names no key"));
}

TEST_CASE("config: all that is wrong is told at once", "[config]") {
    const auto said = wrong("[server]\nport = -1\nfoo = 2\n[log]\nlevel = 3\n[nope]\n",
                            {{"MILLRACE_LEDGER__READERS", "0"}});
    for (const auto* part :
         {"server.port", "server.foo", "log.level", "nope", "MILLRACE_LEDGER__READERS"})
        CHECK_THAT(said, Catch::Contains(part));
    CHECK(std::count(said.begin(), said.end(), '\n') == 4);
}

TEST_CASE("config: a file that is not there is told by its name", "[config]") {
    CHECK_THROWS_WITH(api::load_config("/nowhere/millrace.toml"),
                      Catch::Contains("/nowhere/millrace.toml: cannot be read"));
}
