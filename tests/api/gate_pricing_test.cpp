#include "api/gate/asked.hpp"
#include "api/gate/price_list.hpp"
#include "api/gate/usage.hpp"

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

std::string field_of(const std::string& body) {
    const auto read = read_asked(body);
    const auto* bad = std::get_if<BadBody>(&read);
    return bad ? bad->field : "taken";
}

Asked asked_of(const std::string& body) {
    return std::get<Asked>(read_asked(body));
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
    CHECK(price("/v1/chat/completions", "") == "1");
    CHECK(price("/v1/embeddings", "small-7b") == "2");
    CHECK(price("/only", "large") == "3");
    CHECK(price("/only", "small-7b") == "none");
    CHECK(price("/v2/chat", "") == "none");
    CHECK(is_priced(prices, "/only"));
    CHECK_FALSE(is_priced(prices, "/v1"));
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
    const auto nothing = asked_of(R"({"max_tokens":null,"stream":null})");
    CHECK_FALSE(nothing.output_tokens_max.has_value());
    CHECK_FALSE(nothing.stream);
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
    CHECK(field_of(R"({"max_tokens":5,"max_\u0074okens":500})") == "max_tokens");
    CHECK(field_of(R"({"other":1,"other":2})") == "taken");
}

TEST_CASE("gate body: usage is asked for and the output bounded, the rest stays", "[gate]") {
    const auto parsed = [](const std::string& text) { return boost::json::parse(text); };
    const std::string body = R"( {"model":"m","temperature":0.10,"messages":["{"]})";
    CHECK(changed(body, {}) == body);
    const auto more = changed(body, {true, "max_tokens", 64});
    CHECK(parsed(more) ==
          parsed(R"({"max_tokens":64,"stream_options":{"include_usage":true},"model":"m",)"
                 R"("temperature":0.10,"messages":["{"]})"));
    CHECK(more.find(R"("temperature":0.10)") != std::string::npos);
    const std::string denied =
        R"({"model":"m","stream_options":{"include_usage":false,"a":[1,{}]},"x":1})";
    CHECK(parsed(changed(denied, {true, {}, 0})) ==
          parsed(R"({"model":"m","stream_options":{"include_usage":true},"x":1})"));
}

TEST_CASE("gate usage: is read in every known form", "[gate]") {
    UsageReader reader;
    CHECK(reader.read_answer(R"({"usage":{"prompt_tokens":3,"completion_tokens":5}})") ==
          Usage{3, 5});
    CHECK(reader.read_answer(R"({"usage":{"input_tokens":3,"output_tokens":5}})") == Usage{3, 5});
    CHECK(reader.read_answer(R"({"usage":{"prompt_tokens":3}})") == Usage{3, std::nullopt});
    CHECK(reader.read_answer(R"({"response":{"usage":{"input_tokens":1,"output_tokens":2}}})") ==
          Usage{1, 2});
    CHECK(reader.read_answer(R"({"usage":null})") == Usage{});
    CHECK(reader.read_answer(R"({"usage":{"prompt_tokens":-3,"completion_tokens":1e3}})") ==
          Usage{});
    CHECK(reader.read_answer("no json") == Usage{});
}

TEST_CASE("gate usage: pieces of content are counted, and the added event is known", "[gate]") {
    UsageReader reader;
    const auto deltas = [&](const char* text) { return reader.read_chunk(text).deltas; };
    CHECK(deltas(R"({"choices":[{"delta":{"role":"assistant","content":""}}]})") == 0);
    CHECK(deltas(R"({"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]})") == 2);
    CHECK(deltas(R"({"choices":[{"delta":{"tool_calls":[{"index":0}]}}]})") == 1);
    CHECK(deltas(R"({"choices":[{"delta":{"content":null,"reasoning_content":"x"}}]})") == 1);
    CHECK(deltas(R"({"choices":[{"text":"a"}]})") == 1);
    CHECK(deltas(R"({"type":"response.output_text.delta","delta":"x"})") == 1);
    CHECK(deltas(R"({"type":"content_block_delta","delta":{"text":"x"}})") == 1);
    CHECK(deltas("[DONE]") == 0);
    const char* added = R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}})";
    CHECK(reader.read_chunk(added).is_usage_alone);
    CHECK_FALSE(reader.read_chunk(R"({"choices":[],"usage":null})").is_usage_alone);
}

TEST_CASE("gate usage: what the server says in the end counts, else what was delivered", "[gate]") {
    UsageCount count;
    count.add({{}, 3, false});
    CHECK(count.so_far() == channel::TokenCounts{0, 3});
    CHECK(count.in_all() == channel::TokenCounts{0, 3});
    count.add({{10, 1}, 0, false});
    CHECK(count.so_far() == channel::TokenCounts{10, 3});
    count.add({{10, 2}, 0, false});
    CHECK(count.in_all() == channel::TokenCounts{10, 2});
    CHECK(count.so_far() == channel::TokenCounts{10, 3});
}
