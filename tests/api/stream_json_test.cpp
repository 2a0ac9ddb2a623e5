#include "api/stream/json.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace millrace::api::stream;

namespace {

std::string compact(const std::string& text, std::size_t depth_max = 16) {
    JsonParser parser(depth_max);
    const auto value = parser.parse(text);
    if (!value) {
        switch (parser.fault()) {
            case JsonParser::Fault::syntax:
                return "syntax";
            case JsonParser::Fault::utf8:
                return "utf8";
            case JsonParser::Fault::depth:
                return "depth";
        }
    }
    std::string out;
    value->append_compact(out);
    return out;
}

std::string duplicate(const std::string& text) {
    JsonParser parser(16);
    std::string_view key;
    return parser.parse(text).value().has_duplicate_key(key) ? std::string(key) : "none";
}

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

}  // namespace

TEST_CASE("json: what is well formed is kept, to the last digit", "[stream][json]") {
    CHECK(compact(R"( { "a" : [ 1 , -0, 2.50, 1e400, true, false, null ] } )") ==
          R"({"a":[1,-0,2.50,1e400,true,false,null]})");
    CHECK(compact("{\"n\":340282366920938463463374607431768211456}") ==
          "{\"n\":340282366920938463463374607431768211456}");
    CHECK(compact("[0.1000000000000000055511151231257827]") ==
          "[0.1000000000000000055511151231257827]");
    CHECK(compact(R"(["\u00e4\n\t\"\\\/\u0000\ud83d\ude00"])") ==
          "[\"\xc3\xa4\\n\\t\\\"\\\\/\\u0000\xf0\x9f\x98\x80\"]");
    CHECK(compact("{}") == "{}");
    CHECK(compact("[[],{}]") == "[[],{}]");
    CHECK(compact("42") == "42");
    CHECK(compact("\"x\"") == "\"x\"");
    CHECK(compact("null") == "null");
    CHECK(compact("true") == "true");
}

TEST_CASE("json: what is not well formed is refused", "[stream][json]") {
    for (const auto* text : {"",
                             " ",
                             "pay",
                             "{",
                             "}",
                             "[",
                             "{]",
                             "[1",
                             "[1,]",
                             "[,1]",
                             "[1 2]",
                             "{\"a\"}",
                             "{\"a\":}",
                             "{\"a\":1,}",
                             "{\"a\":1 \"b\":2}",
                             "{a:1}",
                             "{'a':1}",
                             "{\"a\":1}x",
                             "{\"a\":1}{}",
                             "[1]]",
                             "{1:2}",
                             "[NaN]",
                             "[Infinity]",
                             "[nul]",
                             "[nulll]",
                             "[truee]",
                             "[tru]",
                             "[+1]",
                             "[01]",
                             "[.5]",
                             "[1.]",
                             "[1e]",
                             "[1e+]",
                             "[-]",
                             "[0x10]",
                             "[1_0]",
                             "[1a]",
                             "[\"\\x41\"]",
                             "[\"\\u12\"]",
                             "[\"\n\"]",
                             "[\"\t\"]",
                             "[\"]",
                             "[\"\\ud800\"]",
                             "[\"\\udc00\"]",
                             "[\"\\ud800\\u0041\"]",
                             "{\"\\ud800\":1}",
                             "/**/[]",
                             "[]//",
                             "[\"a\"\"b\"]",
                             "42x",
                             "4 2",
                             "nul",
                             "\"a",
                             "\"a\"b",
                             "\xef\xbb\xbf{}"}) {
        CAPTURE(text);
        CHECK(compact(text) == "syntax");
    }
    CHECK(compact("[\"\xc3\x28\"]") == "utf8");
    CHECK(compact("[\"\xed\xa0\x80\"]") == "utf8");
    CHECK(compact(std::string("[1]\0", 4)) == "syntax");
}

TEST_CASE("json: depth is taken to the limit and not one deeper", "[stream][json]") {
    CHECK(compact(nested(16)) == nested(16));
    CHECK(compact(nested(17)) == "depth");
    CHECK(compact(nested(10'000)) == "depth");
    CHECK(compact("{\"a\":{\"b\":1}}", 2) == "{\"a\":{\"b\":1}}");
    CHECK(compact("{\"a\":{\"b\":[]}}", 2) == "depth");
    CHECK(compact("[[],[],[[]]]", 3) == "[[],[],[[]]]");
}

TEST_CASE("json: a key twice in one object is found wherever it stands", "[stream][json]") {
    CHECK(duplicate(R"({"a":1,"b":2})") == "none");
    CHECK(duplicate(R"({"a":1,"b":2,"a":1})") == "a");
    CHECK(duplicate(R"({"\u0061":1,"a":1})") == "a");
    CHECK(duplicate(R"({"x":{"y":[{"k":1,"k":2}]}})") == "k");
    CHECK(duplicate(R"([{"a":1},{"a":2}])") == "none");
    CHECK(duplicate(R"({"a":{"a":{"a":1}}})") == "none");
}

TEST_CASE("json: a parser is used again after a failure", "[stream][json]") {
    JsonParser parser(4);
    CHECK_FALSE(parser.parse("[1").has_value());
    CHECK_FALSE(parser.parse("[[[[[1]]]]]").has_value());
    const auto value = parser.parse(R"({"a":"b"})");
    REQUIRE(value.has_value());
    CHECK(value->member("a")->text() == "b");
    CHECK_FALSE(value->member("b").has_value());
    CHECK(value->size() == 1);
}
