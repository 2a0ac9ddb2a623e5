#include "api/gate/asked.hpp"
#include "api/gate/price_list.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <string>

using namespace millrace;
using namespace millrace::api::gate;

namespace {

PriceList list() {
    PriceList prices;
    for (const auto* free : {"/health", "/v1/models", "/v1/models/*", "POST /tokenize"})
        prices.free.push_back(parse_free_path(free));
    prices.rules.push_back({{"/v1/chat/completions"}, {"small-*"}, {channel::Amount{1}, {}, {}}});
    prices.rules.push_back({{"/v1/*"}, {}, {channel::Amount{2}, {}, {}}});
    prices.rules.push_back({{"/only"}, {"large"}, {channel::Amount{3}, {}, {}}});
    return prices;
}

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kUnknown = "/v1/anything";

std::string field_of(const std::string& body, std::string_view path = kChat) {
    const auto read = read_asked(body, endpoint_of(path));
    const auto* bad = std::get_if<BadBody>(&read);
    return bad ? bad->field : "taken";
}

Asked asked_of(const std::string& body, std::string_view path = kChat) {
    return std::get<Asked>(read_asked(body, endpoint_of(path)));
}

boost::json::value parsed(const std::string& text) {
    return boost::json::parse(text);
}

}  // namespace

TEST_CASE("gate prices: the first rule that fits path and model counts", "[gate]") {
    const auto prices = list();
    const auto price = [&](std::string_view path, std::string_view model) {
        const auto* rule = find_rule(prices, path, model);
        return rule ? channel::to_string(rule->price.request) : "none";
    };
    CHECK(price("/v1/chat/completions", "small-7b") == "1");
    CHECK(price("/v1/chat/completions", "large") == "2");
    CHECK(price("/v1/embeddings", "small-7b") == "2");
    CHECK(price("/only", "large") == "3");
    CHECK(price("/only", "small-7b") == "none");
    CHECK(price("/v2/chat", "") == "none");
    CHECK(is_priced(prices, "/only"));
    CHECK_FALSE(is_priced(prices, "/v1"));
}

TEST_CASE("gate prices: a call that names no model does not get a rule for others", "[gate]") {
    auto prices = list();
    const auto request = [&](std::string_view path) {
        return channel::to_string(find_rule(prices, path, "")->price.request);
    };
    CHECK(request("/v1/chat/completions") == "2");
    CHECK(request("/only") == "3");
    prices.rules.push_back({{"/only"}, {"larger"}, {{}, {}, channel::Amount{1}}});
    prices.rules.push_back({{"/only"}, {"small"}, {channel::Amount{2}, {}, {}}});
    CHECK(find_rule(prices, "/only", "")->models.front() == "larger");
    CHECK(find_rule(prices, "/nowhere", "") == nullptr);
}

TEST_CASE("gate prices: a free path is free for reading, others by their method", "[gate]") {
    const auto prices = list();
    CHECK(is_free(prices, "GET", "/v1/models"));
    CHECK(is_free(prices, "HEAD", "/v1/models/small"));
    CHECK_FALSE(is_free(prices, "POST", "/v1/models"));
    CHECK(is_free(prices, "POST", "/tokenize"));
    CHECK_FALSE(is_free(prices, "GET", "/tokenize"));
    CHECK_FALSE(is_free(prices, "GET", "/v1/modelsx"));
}

TEST_CASE("gate prices: paths that a server may read otherwise are none", "[gate]") {
    CHECK(is_plain_path("/v1/chat/completions", "/v1/chat/completions"));
    CHECK(is_plain_path("/", "/"));
    CHECK(is_plain_path("/v1/", "/v1/"));
    CHECK(is_plain_path("/v1/a%20b", "/v1/a b"));
    CHECK_FALSE(is_plain_path("/v1/models/../chat", "/v1/models/../chat"));
    CHECK_FALSE(is_plain_path("/v1/models/%2e%2e/chat", "/v1/models/../chat"));
    CHECK_FALSE(is_plain_path("/v1/models/..", "/v1/models/.."));
    CHECK_FALSE(is_plain_path("/v1/./chat", "/v1/./chat"));
    CHECK_FALSE(is_plain_path("//v1/chat", "//v1/chat"));
    CHECK_FALSE(is_plain_path("/v1%2Fchat", "/v1/chat"));
    CHECK_FALSE(is_plain_path("/v1/%252e%252e/chat", "/v1/%2e%2e/chat"));
    CHECK_FALSE(is_plain_path("/v1\\chat", "/v1\\chat"));
    CHECK_FALSE(is_plain_path("/v1/%0a", "/v1/\n"));
    CHECK_FALSE(is_plain_path("/v1/%ff", "/v1/\xff"));
    CHECK_FALSE(is_plain_path("/v1/%ed%b0%80", "/v1/\xed\xb0\x80"));
    CHECK_FALSE(is_plain_path("/v1/chat;x/completions", "/v1/chat;x/completions"));
    CHECK_FALSE(is_plain_path("/v1/chat%3bx", "/v1/chat;x"));
    CHECK(is_plain_path("/v1/%c3%a9", "/v1/\xc3\xa9"));
    CHECK_FALSE(is_plain_path("", ""));
}

TEST_CASE("gate body: what bears on the price is read", "[gate]") {
    const auto asked =
        asked_of(R"({"model":"small","stream":true,"max_tokens":5,"max_completion_tokens":9,"n":3,)"
                 R"("stream_options":{"include_usage":true},"messages":[{"n":7}]})");
    CHECK(asked.model == "small");
    CHECK(asked.stream);
    CHECK(asked.output_tokens_max == 9);
    CHECK(asked.choices == 3);
    CHECK(asked.wants_usage);
    CHECK(asked_of(R"({"prompt":["a","b"],"best_of":4,"n":2})").choices == 8);
    CHECK(asked_of(R"({"prompt":[[1,2],[3]]})").choices == 2);
    CHECK(asked_of(R"({"prompt":[1,2,3]})").choices == 1);
    const auto nothing = asked_of(R"({"max_tokens":null,"stream":null,"n":null})");
    CHECK_FALSE(nothing.output_tokens_max.has_value());
    CHECK_FALSE(nothing.stream);
    CHECK(asked_of(R"({"options":{"num_predict":7,"seed":1}})", "/api/chat").output_tokens_max ==
          7);
    CHECK_FALSE(asked_of(R"({"options":null})", "/api/generate").output_tokens_max.has_value());
}

TEST_CASE("gate body: only the limits that an endpoint heeds count", "[gate]") {
    CHECK(asked_of(R"({"max_tokens":5})", "/v1/completions").output_tokens_max == 5);
    CHECK(asked_of(R"({"max_tokens":5})", "/v1/Messages").output_tokens_max == 5);
    CHECK(asked_of(R"({"max_output_tokens":5})", "/v1/responses").output_tokens_max == 5);
    CHECK(field_of(R"({"max_output_tokens":5})") == "max_output_tokens");
    CHECK(field_of(R"({"n_predict":-1})") == "n_predict");
    CHECK(field_of(R"({"num_predict":null})") == "num_predict");
    CHECK(field_of(R"({"max_new_tokens":5})") == "max_new_tokens");
    CHECK(field_of(R"({"max_tokens":5})", "/v1/responses") == "max_tokens");
    CHECK(field_of(R"({"max_completion_tokens":5})", "/v1/completions") == "max_completion_tokens");
    CHECK(field_of(R"({"max_tokens":5})", "/api/chat") == "max_tokens");
    CHECK(field_of(R"({"num_predict":5})", "/api/chat") == "num_predict");
    CHECK(field_of(R"({"options":{"num_predict":-1}})", "/api/chat") == "num_predict");
    CHECK(field_of(R"({"options":5})", "/api/chat") == "options");
    // Of a server that is not known, no member bounds anything.
    CHECK_FALSE(asked_of(R"({"max_tokens":5,"n_predict":9})", kUnknown).output_tokens_max);
}

TEST_CASE("gate body: what the server behind may read otherwise is refused", "[gate]") {
    const std::string known = R"("max_tokens":5)";
    for (const char* other :
         {R"("MAX_TOKENS":900)", R"("Max_Tokens":900)", R"("Stream":true)", R"("MODEL":"dear")",
          R"("Model":"dear")", R"("Stream_Options":{})", R"("N":9)"}) {
        const auto name = std::string(other).substr(1, std::string(other).find(':') - 2);
        CHECK(field_of("{" + known + "," + other + "}") == name);
        CHECK(field_of("{" + std::string(other) + "}", kUnknown) == name);
    }
    // Long s and the Kelvin sign are s and k to Go; escapes are what they stand for.
    for (const char* other :
         {"max_token\xc5\xbf",
          "max_to\xe2\x84\xaa"
          "ens",
          "\xc5\xbftream", R"(max_\u0074okens)", R"(stream\u005foptions)", R"(\u006eew)"})
        CHECK(field_of("{" + known + R"(,")" + other + R"(":900})").empty());
    CHECK(field_of(R"({"other":1,"other":2})") == "other");
    CHECK(field_of(R"({"other":1,"Other":2})") == "Other");
    CHECK(field_of(R"({"stream_options":{},"stream_options":{"include_usage":true}})") ==
          "stream_options");
    CHECK(field_of(R"({"options":{"num_predict":1,"num_predict":900}})", "/api/chat") ==
          "num_predict");
    CHECK(field_of(R"({"options":{"num_predict":1,"NUM_PREDICT":900}})", "/api/chat") ==
          "NUM_PREDICT");
    CHECK(field_of(R"({"Other":1})") == "taken");
}

TEST_CASE("gate body: there is an end to its members", "[gate]") {
    std::string body = R"({"a":1)";
    for (int n = 1; n < 256; ++n) body += fmt::format(R"(,"a{}":1)", n);
    CHECK(field_of(body + "}") == "taken");
    CHECK(field_of(body + R"(,"b":1})").empty());
}

TEST_CASE("gate body: a model has to be short plain text", "[gate]") {
    for (const char* half : {R"({"model":"\udc00"})", R"({"model":"\ud800"})", R"({"x":"\udc00"})"})
        CHECK(field_of(half).empty());
    CHECK(field_of(R"({"model":"a\u0000b"})") == "model");
    CHECK(field_of(R"({"model":"a\nb"})") == "model");
    CHECK(field_of("{\"model\":\"\xff\"}").empty());
    CHECK(field_of(R"({"model":")" + std::string(257, 'a') + R"("})") == "model");
    CHECK(asked_of(R"({"model":"\ud83d\ude00"})").model == "\xf0\x9f\x98\x80");
}

TEST_CASE("gate body: what cannot be priced is refused with its member", "[gate]") {
    CHECK(field_of("[]").empty());
    CHECK(field_of("{").empty());
    CHECK(field_of("").empty());
    CHECK(field_of(R"({"max_tokens":-1})") == "max_tokens");
    CHECK(field_of(R"({"max_tokens":0})") == "max_tokens");
    CHECK(field_of(R"({"max_tokens":1.5})") == "max_tokens");
    CHECK(field_of(R"({"max_tokens":"5"})") == "max_tokens");
    CHECK(field_of(R"({"max_tokens":18446744073709551615})") == "max_tokens");
    CHECK(field_of(R"({"n":10001})") == "n");
    CHECK(field_of(R"({"n":10000,"prompt":["a","b"]})") == "prompt");
    CHECK(field_of(R"({"model":5})") == "model");
    CHECK(field_of(R"({"stream":"yes"})") == "stream");
    CHECK(field_of(R"({"stream_options":true})") == "stream_options");
    CHECK(field_of(R"({"max_tokens":5,"max_tokens":500})") == "max_tokens");
    CHECK(field_of(R"({"background":true})") == "background");
    CHECK(field_of(R"({"min_tokens":-1})") == "min_tokens");
}

TEST_CASE("gate body: only calls that leave nothing behind may be begun unpaid", "[gate]") {
    CHECK(endpoint_of(kChat).only_answers);
    CHECK(endpoint_of("/v1/completions").only_answers);
    for (const auto* path :
         {"/v1/responses", "/v1/messages", "/api/chat", "/api/generate", "/v1/images"})
        CHECK_FALSE(endpoint_of(path).only_answers);
}

TEST_CASE("gate body: usage is asked for and the output bounded, the rest stays", "[gate]") {
    const auto& chat = endpoint_of(kChat);
    const std::string body = R"( {"model":"m","temperature":0.10,"messages":["{"]})";
    CHECK(changed(body, chat, {}) == body);
    const auto more = changed(body, chat, {true, false, 64});
    CHECK(parsed(more) == parsed(R"({"max_tokens":64,"max_completion_tokens":64,)"
                                 R"("stream_options":{"include_usage":true},"model":"m",)"
                                 R"("temperature":0.10,"messages":["{"]})"));
    CHECK(more.find(R"("temperature":0.10)") != std::string::npos);
    const std::string denied =
        R"({"model":"m","stream_options":{"include_usage":false,"a":[1,{}]},"x":1})";
    CHECK(changed(denied, chat, {true, false, 0}) ==
          R"({"model":"m","stream_options":{"include_usage":true},"x":1})");
    CHECK(parsed(changed("{}", chat, {true, true, 5})) ==
          parsed(R"({"max_tokens":5,"max_completion_tokens":5,)"
                 R"("stream_options":{"include_usage":true,"continuous_usage_stats":true}})"));
}

TEST_CASE("gate body: a limit is set in its place, so that none stands beside it", "[gate]") {
    const auto bounded = [](const char* body, std::string_view path) {
        return changed(body, endpoint_of(path), {false, false, 9});
    };
    CHECK(bounded(R"({"max_completion_tokens" : null , "max_tokens":77})", kChat) ==
          R"({"max_completion_tokens" : 9 , "max_tokens":9})");
    CHECK(bounded(R"({"a":1,"max_tokens":null})", "/v1/completions") ==
          R"({"a":1,"max_tokens":9})");
    CHECK(bounded(R"({"a":1})", "/v1/responses") == R"({"max_output_tokens":9,"a":1})");
    CHECK(bounded(R"({"a":1})", "/api/chat") == R"({"options":{"num_predict":9},"a":1})");
    CHECK(bounded(R"({"options":null})", "/api/chat") == R"({"options":{"num_predict":9}})");
    CHECK(bounded(R"({"options":{"seed":1,"num_predict":77}})", "/api/generate") ==
          R"({"options":{"seed":1,"num_predict":9}})");
    CHECK(bounded(R"({"a":1,"max_tokens":77})", kUnknown) == R"({"a":1,"max_tokens":77})");
}
