#include "api/gate/sse_reader.hpp"

#include <rapidcheck.h>
#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace millrace::api::gate;

namespace {

struct Taken {
    std::string raw;
    std::vector<std::string> events;

    friend bool operator==(const Taken&, const Taken&) = default;
};

Taken take(const std::vector<std::string>& pieces) {
    SseReader reader(1024);
    Taken taken;
    const auto take_events = [&] {
        while (const auto event = reader.next()) {
            taken.raw += event->raw;
            if (event->has_data) taken.events.push_back(event->data);
        }
    };
    for (const auto& piece : pieces) {
        reader.add(piece);
        take_events();
    }
    reader.end();
    take_events();
    return taken;
}

}  // namespace

TEST_CASE("sse: events have data, whatever ends their lines", "[gate]") {
    for (const std::string end : {"\n", "\r\n", "\r"}) {
        const auto text = "event: a" + end + "data: 1" + end + "data:2" + end + end + ": comment" +
                          end + end + "data" + end + end + "data: x: y" + end + end + "data: z";
        const auto taken = take({text});
        CHECK(taken.raw == text + "\n\n");
        const std::vector<std::string> expected{"1\n2", "", "x: y", "z"};
        CHECK(taken.events == expected);
    }
}

TEST_CASE("sse: what comes behind the last empty line is an event, too", "[gate]") {
    for (const std::string half : {"data: a", "data: a\n", "data: a\r", "data: a\r\n"}) {
        const auto taken = take({half});
        REQUIRE(taken.events.size() == 1);
        CHECK(taken.events[0] == "a");
        CHECK(taken.raw.ends_with("\n\n"));
        CHECK(take({taken.raw, "data: b\n\n"}).events.size() == 2);
    }
}

TEST_CASE("sse: an event that does not end is told", "[gate]") {
    SseReader reader(10);
    reader.add("data: 1\n\n");
    CHECK(reader.next().has_value());
    reader.add("data: 12");
    CHECK_FALSE(reader.next().has_value());
    CHECK_FALSE(reader.is_too_long());
    reader.add("345");
    CHECK_FALSE(reader.next().has_value());
    CHECK(reader.is_too_long());
}

TEST_CASE("sse: the same events come out wherever the bytes are cut", "[gate]") {
    rc::check([] {
        const auto lines =
            *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
                "data: a", "data: bb", "event: e", ": c", "", "", "id: 1"));
        std::string text;
        for (const auto& line : lines) text += line + *rc::gen::element<std::string>("\n", "\r\n");
        std::vector<std::string> pieces;
        for (std::size_t at = 0; at < text.size();) {
            const auto size = *rc::gen::inRange<std::size_t>(1, 9);
            pieces.push_back(text.substr(at, size));
            at += size;
        }
        const auto whole = take({text});
        RC_ASSERT(take(pieces) == whole);
        RC_ASSERT(whole.raw.starts_with(text));
        const auto more = take({whole.raw, "data: x\n\n"});
        RC_ASSERT(more.events.size() == whole.events.size() + 1);
    });
}

TEST_CASE("sse: an event of our own is one", "[gate]") {
    const auto text = sse_event("payment-response", R"({"success":true})");
    const auto taken = take({text});
    REQUIRE(taken.events.size() == 1);
    CHECK(taken.raw.starts_with("event: payment-response\n"));
    CHECK(taken.events[0] == R"({"success":true})");
    CHECK(taken.raw == text);
}
