#include "api/gate/usage.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using namespace millrace::api::gate;

TEST_CASE("gate usage: is read in every known form", "[gate]") {
    UsageReader reader;
    const auto usage = [&](const char* answer) { return reader.read_answer(answer).usage; };
    CHECK(usage(R"({"usage":{"prompt_tokens":3,"completion_tokens":5}})") == Usage{3, 5});
    CHECK(usage(R"({"usage":{"input_tokens":3,"output_tokens":5}})") == Usage{3, 5});
    CHECK(usage(R"({"usage":{"prompt_tokens":3}})") == Usage{3, std::nullopt});
    CHECK(usage(R"({"response":{"usage":{"input_tokens":1,"output_tokens":2}}})") == Usage{1, 2});
    CHECK(usage(R"({"usage":null})") == Usage{});
    CHECK(usage(R"({"usage":{"prompt_tokens":-3,"completion_tokens":1e3}})") == Usage{});
    CHECK(usage("no json") == Usage{});
    CHECK(usage(R"({"usage":{"input_tokens":3,"cache_read_input_tokens":40,)"
                R"("cache_creation_input_tokens":500,"output_tokens":5}})") == Usage{543, 5});
    CHECK(usage(R"({"prompt_eval_count":7,"eval_count":9,"response":"x"})") == Usage{7, 9});
    CHECK(usage(R"({"tokens_evaluated":7,"tokens_predicted":9})") == Usage{7, 9});
    const auto lines = reader.read_answer(
        "{\"message\":{\"content\":\"a\"}}\n{\"message\":{\"content\":\"b\"}}\n"
        "{\"done\":true,\"prompt_eval_count\":26,\"eval_count\":298}\n");
    CHECK(lines.usage == Usage{26, 298});
    CHECK(lines.deltas == 2);
}

TEST_CASE("gate usage: an answer that says none is counted by its text", "[gate]") {
    UsageReader reader;
    const auto tokens = [&](const char* answer) { return reader.read_answer(answer).deltas; };
    CHECK(tokens(R"({"choices":[{"message":{"role":"assistant","content":"12345678"}}]})") == 2);
    CHECK(tokens(R"({"choices":[{"text":"1234"},{"text":"123\u0034567"}]})") == 2);
    CHECK(tokens(R"({"data":[{"embedding":[0.5]}],"object":"list"})") == 0);
    CHECK(tokens("audio") == 0);
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
    CHECK(deltas(R"({"message":{"content":"x"},"done":false})") == 1);
    CHECK(deltas(R"({"response":"x","done":false})") == 1);
    CHECK(deltas(R"({"content":"x","stop":false})") == 1);
    CHECK(deltas(R"({"response":"","done":true})") == 0);
    CHECK(deltas("[DONE]") == 0);
    // Anthropic counts a token in the event that comes before all content.
    const auto first = reader.read_chunk(
        R"({"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}})");
    CHECK(first.usage == Usage{9, std::nullopt});
    CHECK(first.deltas == 0);
    const char* added = R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}})";
    CHECK(reader.read_chunk(added).is_usage_alone);
    CHECK_FALSE(reader.read_chunk(R"({"choices":[],"usage":null})").is_usage_alone);
}

TEST_CASE("gate usage: what the server says in the end counts, else what was delivered", "[gate]") {
    using channel::TokenCounts;
    UsageCount count(7);
    count.add({{}, 3, false});
    CHECK(count.so_far() == TokenCounts{0, 3});
    CHECK(count.of_part() == TokenCounts{7, 3});
    CHECK(count.in_all() == TokenCounts{7, 3});
    count.add({{10, 1}, 0, false});
    CHECK(count.so_far() == TokenCounts{10, 3});
    count.add({{10, 2}, 0, false});
    CHECK(count.in_all() == TokenCounts{10, 2});
    CHECK(count.of_part() == TokenCounts{10, 3});
}
