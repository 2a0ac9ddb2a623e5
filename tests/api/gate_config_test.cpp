#include "api/gate/config.hpp"

#include "api/config.hpp"
#include "channel/amount.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

using namespace millrace::api;
using namespace millrace::api::gate;
namespace channel = millrace::channel;

namespace {

std::string example() {
    std::ifstream file(MILLRACE_SOURCE_DIR "/config/gate.toml");
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string problems(const std::string& text, const std::map<std::string, std::string>& env = {},
                     const GateOverrides& command_line = {}) {
    try {
        parse_gate_config(text, "f", env, command_line);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return {};
}

}  // namespace

TEST_CASE("gate config: the example names every key, and its defaults are the program's",
          "[gate]") {
    const auto text = example();
    const auto given = parse_gate_config(text, "config/gate.toml", {});
    const auto plain = parse_gate_config("", "defaults", {});
    CHECK(given.host == plain.host);
    CHECK(given.port == plain.port);
    CHECK(given.name == plain.name);
    CHECK(given.admin_path == plain.admin_path);
    CHECK(given.service_url == plain.service_url);
    CHECK(given.deposit_min == plain.deposit_min);
    CHECK(given.accept_timeout == plain.accept_timeout);
    CHECK(given.deposit_timeout == plain.deposit_timeout);
    CHECK(given.charge_timeout == plain.charge_timeout);
    CHECK(given.refund_timeout == plain.refund_timeout);
    CHECK(given.charge_interval == plain.charge_interval);
    CHECK(given.turn_timeout == plain.turn_timeout);
    CHECK(given.ahead_of_payment == plain.ahead_of_payment);
    CHECK(given.waiting_per_channel_max == plain.waiting_per_channel_max);
    CHECK(given.outstanding_max == plain.outstanding_max);
    CHECK(given.upstream.connect_timeout == plain.upstream.connect_timeout);
    CHECK(given.upstream.answer_timeout == plain.upstream.answer_timeout);
    CHECK(given.upstream.idle_timeout == plain.upstream.idle_timeout);
    CHECK(given.upstream.keep_alive == plain.upstream.keep_alive);
    CHECK(given.upstream.idle_connections_max == plain.upstream.idle_connections_max);
    CHECK(given.upstream_calls_max == plain.upstream_calls_max);
    CHECK(given.free_calls_max == plain.free_calls_max);
    CHECK(given.replies_bytes_max == plain.replies_bytes_max);
    CHECK(given.connection.bodies_bytes_per_address_max ==
          plain.connection.bodies_bytes_per_address_max);
    CHECK(given.reply_bytes_max == plain.reply_bytes_max);
    CHECK(given.event_bytes_max == plain.event_bytes_max);
    CHECK(given.connection.request_timeout == plain.connection.request_timeout);
    CHECK(given.connection.write_timeout == plain.connection.write_timeout);
    CHECK(given.connection.idle_timeout == plain.connection.idle_timeout);
    CHECK(given.connection.header_bytes_max == plain.connection.header_bytes_max);
    CHECK(given.connection.body_bytes_max == plain.connection.body_bytes_max);
    CHECK(given.connection.bodies_bytes_max == plain.connection.bodies_bytes_max);
    CHECK(given.connections_max == plain.connections_max);
    CHECK(given.connections_per_address_max == plain.connections_per_address_max);
    CHECK(given.drain_timeout == plain.drain_timeout);
    CHECK(given.prices.free.size() == plain.prices.free.size());
    REQUIRE(given.prices.rules.size() == 2);
    const PriceRule by_default;
    CHECK(given.prices.rules[0].input_tokens_max == by_default.input_tokens_max);
    CHECK(given.prices.rules[0].input_tokens_extra == by_default.input_tokens_extra);
    CHECK(given.prices.rules[0].input_tokens_per_attachment ==
          by_default.input_tokens_per_attachment);
    CHECK(given.prices.rules[0].output_tokens_max == by_default.output_tokens_max);
    // What the program knows and says when it is asked for a key that there is not.
    const auto known = problems("[gate]\nno = 1");
    std::istringstream names(known.substr(known.find("are: ") + 5));
    for (std::string name; std::getline(names >> std::ws, name, ',');)
        CHECK(text.find(name + " = ") != std::string::npos);
}

TEST_CASE("gate config: what is wrong is told at once, with line, key and remedy", "[gate]") {
    const auto told = problems(
        "[gate]\nlisten = \"here\"\nname = \"a:b\"\nadmin_path = \"x\"\nfree = [\"v1\"]\n"
        "deposit_min = \"-1\"\n[[prices]]\npaths = [\"v1\"]\n[[prices]]\npaths = [\"/a\"]\n"
        "request = \"0\"\n[more]\n");
    for (const auto* line :
         {"f:2: gate.listen", "f:3: gate.name", "f:4: gate.admin_path", "f:5: gate.free",
          "f:6: gate.deposit_min", "f:8: prices.paths", "f:11: prices.request", "f:12: more"})
        CHECK(told.find(line) != std::string::npos);
    CHECK(problems("[gate]\nlisten = \"[::1]:80\"").empty());
    CHECK(problems("gate = 1\n[[prices]]\nprice = \"1\"").find("no such key") != std::string::npos);
    CHECK(problems("", {{"MILLRACE_GATE__NO", "1"}}).find("names no key") != std::string::npos);
}

TEST_CASE("gate config: the command line overrides all, and is blamed for what it says", "[gate]") {
    const auto config = parse_gate_config("[gate]\ndeposit_min = \"1\"\nname = \"file\"", "f",
                                          {{"MILLRACE_GATE__DEPOSIT_MIN", "2"}},
                                          {{"deposit_min", "3"}, {"key_file", "key"}});
    CHECK(config.deposit_min == channel::Amount{3});
    CHECK(config.key_file == "key");
    CHECK(config.name == "file");
    CHECK(problems("", {{"MILLRACE_GATE__LISTEN", "here"}}, {{"deposit_min", "x"}}) ==
          "environment: MILLRACE_GATE__LISTEN: has to be an IP address and a port, such as "
          "\"0.0.0.0:8404\"\n--deposit-min: has to be base units of the token as decimal text, "
          "such as \"100\"");
    CHECK(problems("", {{"MILLRACE_GATE__LISTEN", "here"}}, {{"listen", "127.0.0.1:0"}}).empty());
}

TEST_CASE("gate config: a model server's URL does not repeat what priced paths begin with",
          "[gate]") {
    GateConfig config;
    config.key_file = "key";
    const auto told = [&](std::string url, std::string path) {
        config.upstream_url = std::move(url);
        config.prices.rules = {{{std::move(path)}, {}, {channel::Amount{1}, {}, {}}}};
        try {
            check(config);
        } catch (const ConfigError& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    for (const auto* url : {"http://host/v1", "http://host:1/v1/"})
        for (const auto* path : {"/v1/*", "/v1*", "/v1", "/v1/chat/completions"}) {
            CAPTURE(url, path);
            CHECK(told(url, path).find("leave /v1 out of gate.upstream") != std::string::npos);
        }
    CHECK(told("http://host", "/v1/*").empty());
    CHECK(told("http://host/v1", "/chat/completions").empty());
    CHECK(told("http://host/v1", "/v1beta/*").empty());
    CHECK(told("http://host/v1", "/*").empty());
}

TEST_CASE("gate config: the environment overrides, and some things cannot be left out", "[gate]") {
    auto config =
        parse_gate_config("[gate]\nname = \"a\"", "f",
                          {{"MILLRACE_GATE__NAME", "b"}, {"MILLRACE_GATE__FREE", "/x,POST /y"}});
    CHECK(config.name == "b");
    REQUIRE(config.prices.free.size() == 2);
    CHECK(config.prices.free[1].method == "POST");
    const auto missing = [&] {
        try {
            check(config);
        } catch (const ConfigError& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    for (const auto* what : {"gate.upstream", "gate.key_file", "no prices"})
        CHECK(missing().find(what) != std::string::npos);
    config.upstream_url = "https://models.example";
    CHECK(missing().find("put a proxy between") != std::string::npos);
    config.upstream_url = "http://127.0.0.1:11434/base/";
    config.key_file = "key";
    config.prices.rules.push_back({{"/a"}, {}, {channel::Amount{1}, {}, {}}});
    CHECK(missing().empty());
    CHECK(parse_upstream("u", config.upstream_url).base_path == "/base");
    config.service_url = "http://127.0.0.1:8402";
    CHECK(missing().find("gate.service") != std::string::npos);
    CHECK(parse_service_address("s", "wss://pay.example.com").authority == "pay.example.com");
    CHECK(parse_service_address("s", "wss://pay.example.com").port == "443");
    CHECK(parse_service_address("s", "ws://[::1]:8402/v1/stream").host == "::1");
}
