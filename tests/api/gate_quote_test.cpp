#include "api/gate/quote.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <string>

using namespace millrace;
using namespace millrace::api::gate;

namespace {

constexpr const char* kChat = "/v1/chat/completions";

PriceList list() {
    PriceList prices;
    PriceRule rule{{"/v1/*", "/api/*"}, {}, {{}, channel::Amount{1000}, channel::Amount{1000}}};
    rule.input_tokens_max = 10'000;
    rule.input_tokens_extra = 100;
    rule.input_tokens_per_attachment = 1000;
    rule.output_tokens_max = 64;
    prices.rules.push_back(rule);
    return prices;
}

channel::TokenCounts most(const std::string& body, std::string_view path = kChat) {
    const auto prices = list();
    return std::get<Quote>(quote(prices, path, body)).most;
}

std::string why_not(const std::string& body, std::string_view path = kChat) {
    const auto prices = list();
    const auto quoted = quote(prices, path, body);
    const auto* none = std::get_if<NoSale>(&quoted);
    return none ? none->detail : "sold";
}

boost::json::value sent(const std::string& body, std::string_view path = kChat) {
    const auto prices = list();
    const auto quoted = quote(prices, path, body);
    return boost::json::parse(body_for_upstream(std::get<Quote>(quoted), body));
}

}  // namespace

TEST_CASE("gate quote: a call may cost its bytes, the template and what it may generate",
          "[gate]") {
    const std::string body = R"({"model":"m","max_tokens":5})";
    CHECK(most(body) == channel::TokenCounts{body.size() + 100, 5});
    CHECK(most(R"({"n":3,"max_tokens":5})").output == 15);
    CHECK(most(R"({"n":3})").output == 192);
    CHECK(most("") == channel::TokenCounts{0, 64});
    CHECK(most(R"({"prompt":")" + std::string(20'000, 'a') + R"("})").input == 10'000);
    const auto prices = list();
    const auto one = quote(prices, kChat, R"({"model":"m"})");
    CHECK(std::get<Quote>(one).model == "m");
    const auto none = quote(prices, kChat, "{}");
    CHECK(std::get<Quote>(none).model == kChat);
    CHECK(std::get<Quote>(none).ceiling == channel::Amount{166});
}

TEST_CASE("gate quote: what bytes do not bound is counted apart from them", "[gate]") {
    const std::string image =
        R"({"messages":[{"content":[{"type":"text","text":"look"},)"
        R"({"type":"image_url","image_url":{"url":"https://x.example/i.png"}}]}]})";
    CHECK(most(image).input == image.size() + 100 + 1000);
    const std::string images = R"({"images":["aa","bb"],"prompt":"look"})";
    CHECK(most(images, "/api/generate").input == images.size() + 100 + 2000);
    CHECK(most(R"({"previous_response_id":"r"})", "/v1/responses").input == 10'000);
    CHECK(most(R"({"conversation":"c","input":"x"})", "/v1/responses").input == 10'000);
    CHECK(most(R"({"prompt":{"id":"p"}})", "/v1/responses").input == 10'000);
    CHECK(most(R"({"input":[{"type":"item_reference","id":"i"}]})", "/v1/responses").input ==
          10'000);
    CHECK(most(R"({"chat_template":"{{ x * 9999 }}"})").input == 10'000);
    CHECK(most(R"({"previous_response_id":null})", "/v1/responses").input < 10'000);
}

TEST_CASE("gate quote: where nothing bounds the output, the rule's limit is what it may cost",
          "[gate]") {
    CHECK(most(R"({"max_tokens":1,"max_completion_tokens":1})", "/v1/anything").output == 64);
    CHECK(most(R"({"max_tokens":1})", "/v1/embeddings").output == 64);
    CHECK(why_not(R"({"max_tokens":65})").find("At most 64") == 0);
    CHECK(why_not(R"({"max_tokens":5,"min_tokens":6})").find("min_tokens") == 0);
    CHECK(why_not(R"({"max_tokens":5,"min_tokens":5})") == "sold");
}

TEST_CASE("gate quote: every limit that the server may heed is set to what is paid for", "[gate]") {
    CHECK(sent(R"({"max_completion_tokens":1})") ==
          boost::json::parse(R"({"max_completion_tokens":1,"max_tokens":1})"));
    CHECK(sent(R"({"max_tokens":null})") ==
          boost::json::parse(R"({"max_completion_tokens":64,"max_tokens":64})"));
    CHECK(sent("{}", "/api/chat") == boost::json::parse(R"({"options":{"num_predict":64}})"));
    CHECK(sent(R"({"stream":true,"stream_options":{"include_usage":true,"x":1}})")
              .at("stream_options") == boost::json::parse(R"({"include_usage":true})"));
}

TEST_CASE("gate quote: a path that two servers may read differently is not sold", "[gate]") {
    CHECK(why_not("{}", "/v1/chat/completions/").find("slash at its end") != std::string::npos);
    CHECK(why_not("{}", "/v1/" + std::string(300, 'a')).find("256 bytes") != std::string::npos);
    CHECK(why_not("{}", "/v1/models-of-ours") == "sold");
}

TEST_CASE("gate quote: the prompt is estimated by its text", "[gate]") {
    const auto tokens = [](const std::string& body) {
        const auto prices = list();
        const auto quoted = quote(prices, kChat, body);
        return std::get<Quote>(quoted).asked->prompt.tokens_estimate();
    };
    CHECK(tokens(R"({"messages":[{"role":"user","content":"12345678"}]})") == 2);
    CHECK(
        tokens(R"({"messages":[{"role":"user","content":[{"type":"text","text":"1234567"}]}]})") ==
        1);
    CHECK(tokens(R"({"prompt":["1234","5678"]})") == 2);
    CHECK(tokens(R"({"prompt":[5,6,7]})") == 3);
    CHECK(tokens(R"({"messages":[{"content":[{"image_url":"https://long.example/image"}]}]})") ==
          0);
    CHECK(tokens(R"({"model":"12345678","user":"12345678"})") == 0);
    CHECK(tokens(R"({"tools":[{"type":"function"}]})") == 5);
}
