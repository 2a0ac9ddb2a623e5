#include "tests/api/rest_stack.hpp"

#include "api/database.hpp"
#include "tests/support/json_schema.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <chrono>
#include <fstream>
#include <sstream>

namespace support {
namespace {

namespace json = boost::json;

// SHA-256 of kAuditor and kOperator.
constexpr const char* kAuditorSha256 =
    "ba1315421b7c58d465abec0bd552af5ff314ed8f9c5c0a7b7a6a6ecbac9bcbe5";
constexpr const char* kOperatorSha256 =
    "0850123315d21ab90f4f7236408a52ef6dbd6a02a6550e5c10dc73f4d993680e";

const json::value& openapi() {
    static const json::value document = [] {
        std::ifstream file(MILLRACE_SOURCE_DIR "/api/openapi.json");
        std::stringstream text;
        text << file.rdbuf();
        return json::parse(text.str());
    }();
    return document;
}

std::string lower(std::string text) {
    for (auto& letter : text) letter = static_cast<char>(std::tolower(letter));
    return text;
}

bool fits(std::string_view pattern, std::string_view path) {
    const auto open = pattern.find('{');
    if (open == std::string_view::npos) return pattern == path;
    const auto tail = pattern.substr(pattern.find('}') + 1);
    if (!path.starts_with(pattern.substr(0, open)) || !path.ends_with(tail)) return false;
    if (pattern.find("{path}") != std::string_view::npos) return true;
    return path.substr(open, path.size() - open - tail.size()).find('/') == std::string_view::npos;
}

/// The described response of a route, $ref followed; null when there is none.
const json::value* described(const std::string& method, const std::string& path, unsigned status) {
    const json::object* responses = nullptr;
    std::size_t best = 0;
    for (const auto& [pattern, item] : openapi().at("paths").as_object()) {
        const auto* operation = item.as_object().if_contains(lower(method));
        // "{path}" takes what another path says more exactly.
        if (operation && fits(pattern, path) && pattern.size() >= best) {
            best = pattern.size();
            responses = &operation->at("responses").as_object();
            if (std::string_view(pattern) == path) break;
        }
    }
    const auto* response = responses ? responses->if_contains(std::to_string(status)) : nullptr;
    if (!response) return nullptr;
    const auto* reference = response->as_object().if_contains("$ref");
    if (!reference) return response;
    return &openapi().at_pointer(std::string(reference->as_string()).substr(1));
}

void check_described(const std::string& method, const std::string& path, const RestAnswer& answer) {
    // Paths and methods that do not exist are not described either.
    if (answer.status() == 405 ||
        (answer.status() == 404 && answer.text("/detail").starts_with("There is no such path")))
        return;
    const auto* response = described(method, path, answer.status());
    INFO(method << " " << path << " " << answer.status() << " " << answer.response.body);
    REQUIRE(response != nullptr);
    const auto type =
        answer.response.content_type.substr(0, answer.response.content_type.find(';'));
    const auto* content = response->at("content").as_object().if_contains(type);
    REQUIRE(content != nullptr);
    if (type != "application/json" && type != "application/problem+json") return;
    CHECK(violations(openapi(), content->at("schema"), answer.body) == std::vector<std::string>{});
}

}  // namespace

std::string RestAnswer::text(const std::string& pointer) const {
    json::error_code error;
    const auto* found = body.find_pointer(pointer, error);
    if (!found) return {};
    return found->is_string() ? std::string(found->get_string()) : json::serialize(*found);
}

std::string RestAnswer::header(const std::string& name) const {
    for (const auto& [key, value] : response.headers)
        if (key == name) return value;
    return {};
}

RestStack::RestStack(bool metrics_public, std::chrono::milliseconds exports_last,
                     const ChainStack::Change& change)
    : chain({},
            [&](api::Config& config) {
                config.auth.auditor_token_sha256 = {kAuditorSha256};
                config.auth.operator_token_sha256 = {kOperatorSha256};
                config.server.metrics_public = metrics_public;
                if (change) change(config);
            }),
      tokens_(chain.config.auth),
      challenges_(chain.config),
      context_{(chain.start(),
                api::Services{chain.config, chain.assets(), chain.database(), chain.shards(),
                              chain.chain(), tokens_, challenges_, metrics}),
               draining,
               {},
               {},
               {},
               {exports_last}},
      without_database_{api::Services{chain.config, chain.assets(), nowhere_, chain.shards(),
                                      chain.chain(), tokens_, challenges_, metrics},
                        draining} {}

std::string RestStack::token(const api::SessionOwner& owner) const {
    const auto now =
        std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    return tokens_.issue(owner, now).first;
}

std::string RestStack::token(unsigned account) const {
    return token(api::SessionOwner{Anvil::key(account).address(), {}});
}

std::string RestStack::delegate_token(unsigned account, unsigned delegate) const {
    return token(api::SessionOwner{Anvil::key(account).address(), Anvil::key(delegate).address()});
}

RestAnswer RestStack::request(const std::string& method, const std::string& path, const Ask& ask) {
    api::HttpRequest request{method, path, ask.query, {}, ask.body, "127.0.0.1"};
    if (!ask.bearer.empty()) request.authorization = "Bearer " + ask.bearer;
    RestAnswer answer{chain.run(api::route(lost_ ? without_database_ : context_, request)), {}};
    if (const auto source = answer.response.source) {
        for (auto more = chain.run(source->next()); !more.empty(); more = chain.run(source->next()))
            answer.response.body += more;
        for (const auto& trailer : source->trailers()) answer.response.headers.push_back(trailer);
    } else if (answer.response.content_type.find("json") != std::string::npos)
        answer.body = json::parse(answer.response.body);
    // Catch2 bears no checks in two threads at once.
    if (std::this_thread::get_id() == owner_) check_described(method, path, answer);
    return answer;
}

RestAnswer RestStack::get(const std::string& path, const Ask& ask) {
    return request("GET", path, ask);
}

RestAnswer RestStack::post(const std::string& path, const Ask& ask) {
    return request("POST", path, ask);
}

channel::ChannelConfig RestStack::open(std::uint64_t balance, std::uint64_t salt) {
    const auto config = chain.terms(kPayer, Anvil::key(kProvider).address(), salt);
    chain.opened(kPayer, config, balance);
    return config;
}

void RestStack::pay(const channel::ChannelConfig& config, std::uint64_t times) {
    for (std::uint64_t paid = 1; paid <= times; ++paid)
        REQUIRE_FALSE(chain.pay(kPayer, config, 1, paid).has_value());
}

}  // namespace support
