#include "api/stream/json.hpp"

#include <rapidcheck.h>
#include <rapidcheck/catch.h>
#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace millrace::api::stream;

namespace {

/// Beyond any depth that is generated here, and below what Boost.JSON takes.
constexpr std::size_t kDepthMax = 20;

/// Pieces that a reader of JSON trips over, beside single bytes of any kind.
const std::vector<std::string> kPieces{"{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "\"",
                                       "\\",
                                       "\"a\"",
                                       "\"b\"",
                                       "1",
                                       "-0",
                                       "0.5",
                                       "1e9",
                                       "01",
                                       "-",
                                       "true",
                                       "false",
                                       "null",
                                       "nul",
                                       "\\u0041",
                                       "\\u",
                                       "\\ud8",
                                       "\n",
                                       "\t",
                                       " ",
                                       "\xc3\xa4",
                                       "\xc3",
                                       "\\ud83d\\ude00",
                                       "\xf0\x9f\x98\x80",
                                       "\"\\ud800\"",
                                       "\"\\u0000\"",
                                       "{\"a\":1}",
                                       "[[]]",
                                       "18446744073709551616",
                                       "\xed\xa0\x80",
                                       "\"\x01\"",
                                       "/*",
                                       "NaN"};

rc::Gen<std::string> any_text() {
    return rc::gen::map(rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(kPieces)),
                        [](const std::vector<std::string>& pieces) {
                            std::string text;
                            for (const auto& piece : pieces) text += piece;
                            return text;
                        });
}

boost::json::value any_value(std::size_t depth) {
    const auto kind = *rc::gen::inRange(0, depth > 0 ? 7 : 5);
    if (kind == 0) return nullptr;
    if (kind == 1) return *rc::gen::arbitrary<bool>();
    if (kind == 2) return *rc::gen::arbitrary<std::int64_t>();
    if (kind < 5) {
        const auto letters = *rc::gen::container<std::vector<std::string>>(
            rc::gen::element<std::string>("a", "\"", "\\", "\n", "\x01", "\xc3\xa4", "/", " "));
        std::string text;
        for (const auto& letter : letters) text += letter;
        return boost::json::string(text);
    }
    const auto size = *rc::gen::inRange(0, 4);
    if (kind == 5) {
        boost::json::array array;
        for (int n = 0; n < size; ++n) array.push_back(any_value(depth - 1));
        return array;
    }
    boost::json::object object;
    for (int n = 0; n < size; ++n) object["k" + std::to_string(n)] = any_value(depth - 1);
    return object;
}

boost::json::parse_options deep() {
    boost::json::parse_options options;
    options.max_depth = 10'000;
    return options;
}

}  // namespace

TEST_CASE("json property: what another reader refuses is refused, and what it takes is taken",
          "[stream][json]") {
    rc::prop("same verdict", [] {
        auto text = *any_text();
        if (!text.empty() && *rc::gen::arbitrary<bool>())
            text[*rc::gen::inRange<std::size_t>(0, text.size())] = *rc::gen::arbitrary<char>();
        JsonParser parser(10'000);
        const auto read = parser.parse(text);
        boost::system::error_code error;
        const auto expected = boost::json::parse(text, error, {}, deep());
        // It wants to turn numbers into doubles; here they stay text.
        RC_PRE(error != boost::json::error::exponent_overflow);
        RC_ASSERT(read.has_value() == !error);
        if (!read) return;
        std::string compact;
        read->append_compact(compact);
        std::string_view key;
        if (read->has_duplicate_key(key)) return;
        RC_ASSERT(boost::json::parse(compact, error, {}, deep()) == expected);
    });
}

TEST_CASE("json property: a value survives reading and writing", "[stream][json]") {
    rc::prop("same value", [] {
        const auto value = any_value(5);
        const auto text = boost::json::serialize(value);
        JsonParser parser(kDepthMax);
        const auto read = parser.parse(text);
        RC_ASSERT(read.has_value());
        std::string compact;
        read->append_compact(compact);
        RC_ASSERT(boost::json::parse(compact) == value);
        std::string_view key;
        RC_ASSERT(!read->has_duplicate_key(key));
    });
}
