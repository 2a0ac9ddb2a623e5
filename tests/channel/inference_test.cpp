#include "channel/inference.hpp"

#include "channel/error.hpp"

#include <catch2/catch.hpp>

namespace millrace::channel {
namespace {

TEST_CASE("inference id: 1 to 64 of the allowed characters are taken", "[channel][inference]") {
    for (const std::string& text :
         {std::string("a"), std::string("0"), std::string("."), std::string("inf-1"),
          std::string("chat:2024-01-01_x.y"), std::string("ABCxyz019._:-"), std::string(64, 'z')}) {
        CAPTURE(text);
        const auto parsed = InferenceId::parse(text);
        REQUIRE(parsed.has_value());
        CHECK(parsed->text() == text);
    }
}

TEST_CASE("inference id: other text is refused", "[channel][inference]") {
    for (const std::string& text :
         {std::string{}, std::string(65, 'a'), std::string(100'000, 'a'), std::string("a b"),
          std::string("a/b"), std::string("a\n"), std::string(" a"), std::string("a,b"),
          std::string("é"), std::string("a;b"), std::string("a@b"), std::string("a[b"),
          std::string("a`b"), std::string("a{b"), std::string(1, '\0'), std::string("a\0", 2),
          std::string("'; drop table"), std::string("\x7f")}) {
        CAPTURE(text);
        CHECK(InferenceId::parse(text).error() == Error::not_an_inference_id);
    }
}

TEST_CASE("inference id: case counts", "[channel][inference]") {
    CHECK(InferenceId::parse("a").value() != InferenceId::parse("A").value());
    CHECK(InferenceId::parse("a").value() == InferenceId::parse("a").value());
}

}  // namespace
}  // namespace millrace::channel
