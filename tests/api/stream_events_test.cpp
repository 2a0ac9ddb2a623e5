#include "tests/api/stream_stack.hpp"

#include "channel/hex.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <thread>

using namespace support;

namespace {

std::string subscription(const std::string& more = "",
                         const std::string& topics = R"(["payment","channel"])") {
    return R"({"topics":)" + topics + more + "}";
}

std::string only(const Payer& payer) {
    return R"(,"channelId":")" + channel::to_hex(payer.terms.id) + '"';
}

/// Pays `count` times one unit, pipelined, and gives the numbers of the payments.
std::vector<std::string> pay(StreamClient& client, const Payer& app, std::uint64_t& paid,
                             std::size_t count) {
    std::vector<std::string> numbers;
    for (std::size_t n = 0; n < count; ++n) {
        ++paid;
        client.send(pay_text(app, "p" + std::to_string(paid), 1, paid));
    }
    for (std::size_t n = 0; n < count; ++n)
        numbers.push_back(at(client.receive_json(), "result.seq"));
    return numbers;
}

std::vector<std::string> events(StreamClient& client, std::size_t count) {
    std::vector<std::string> numbers;
    for (std::size_t n = 0; n < count; ++n)
        numbers.push_back(at(client.receive_json(), "params.seq"));
    return numbers;
}

}  // namespace

TEST_CASE("events: both parties hear of a payment, in the same words, and nobody else",
          "[stream][events]") {
    StreamStack stack;
    const auto app = stack.opened(1, 1000);
    const auto other = stack.opened(2, 1000, 1);
    StreamClient payer_side(stack.port(), {stack.token(app)});
    StreamClient provider_side(stack.port(), {stack.token(app.terms.config.receiver)});
    StreamClient stranger(stack.port(), {stack.token(other)});
    const auto subscribed = payer_side.call("events.subscribe", subscription());
    const auto id = at(subscribed, "result.subscription");
    CHECK(at(subscribed, "result.seq") ==
          stack.books.query("select last_seq from commit_sequence"));
    provider_side.call("events.subscribe", subscription());
    stranger.call("events.subscribe", subscription());

    StreamClient paying(stack.port(), {stack.token(app)});
    paying.send(pay_text(app, "a", 7, 7));
    const auto paid = paying.receive_json();
    const auto event = payer_side.receive_json();
    CHECK(at(event, "method") == "event");
    CHECK(at(event, "params.subscription") == id);
    CHECK(at(event, "params.topic") == "payment");
    CHECK(at(event, "params.seq") == at(paid, "result.seq"));
    CHECK(at(event, "params.data.name") == "paid");
    CHECK(at(event, "params.data.amount") == "7");
    CHECK(at(event, "params.data.model") == "m");
    CHECK(at(event, "params.data.units") == "2");
    CHECK(at(provider_side.receive_json(), "params.data") == at(event, "params.data"));

    // What is replayed is word for word what was heard live.
    StreamClient later(stack.port(), {stack.token(app)});
    later.call("events.subscribe", subscription(R"(,"fromSeq":"0")"));
    CHECK(at(later.receive_json(), "params.data.name") == "opened");
    CHECK(at(later.receive_json(), "params.data") == at(event, "params.data"));

    // A repeat is answered and is no event; the stranger's next message is its own answer.
    paying.send(pay_text(app, "a", 7, 7));
    paying.receive();
    paying.send(pay_text(app, "b", 1, 8));
    paying.receive();
    CHECK(at(payer_side.receive_json(), "params.data.inferenceId") == "b");
    CHECK(at(stranger.call("server.info", "{}", 9), "id") == "9");

    CHECK(at(payer_side.call("events.unsubscribe", R"({"subscription":")" + id + R"("})"),
             "result") == "{}");
    const auto again = payer_side.call("events.unsubscribe", R"({"subscription":")" + id + R"("})");
    CHECK(at(again, "error.data.field") == "subscription");
    paying.send(pay_text(app, "c", 1, 9));
    paying.receive();
    CHECK(at(payer_side.call("server.info", "{}", 5), "id") == "5");
}

TEST_CASE("events: topics and channel narrow what is heard", "[stream][events]") {
    StreamStack stack;
    const auto one = stack.opened(1, 1000);
    const auto two = stack.opened(2, 1000);
    StreamClient provider(stack.port(), {stack.token(one.terms.config.receiver)});
    provider.call("events.subscribe", subscription(only(two), R"(["payment"])"));
    StreamClient channels(stack.port(), {stack.token(one.terms.config.receiver)});
    channels.call("events.subscribe", subscription("", R"(["channel"])"));
    StreamClient first(stack.port(), {stack.token(one)});
    StreamClient second(stack.port(), {stack.token(two)});
    first.send(pay_text(one, "a", 1, 1));
    first.receive();
    second.send(pay_text(two, "b", 1, 1));
    second.receive();
    CHECK(at(provider.receive_json(), "params.data.inferenceId") == "b");
    const auto third = stack.opened(3, 50);
    const auto opened = channels.receive_json();
    CHECK(at(opened, "params.topic") == "channel");
    CHECK(at(opened, "params.data.name") == "opened");
    CHECK(at(opened, "params.data.channelId") == channel::to_hex(third.terms.id));
    CHECK(at(opened, "params.data.balance") == "50");
}

TEST_CASE("events: a replay meets the live events without gap, twin or disorder",
          "[stream][events]") {
    StreamStack stack;
    const auto app = stack.opened(1, 1'000'000);
    StreamClient paying(stack.port(), {stack.token(app)});
    std::uint64_t paid = 0;
    auto numbers = pay(paying, app, paid, 700);
    // Payments go on while several subscribers catch up from different places.
    std::vector<std::string> later;
    std::thread goes_on([&] {
        for (int round = 0; round < 40; ++round)
            for (auto& number : pay(paying, app, paid, 25)) later.push_back(std::move(number));
    });
    std::vector<std::unique_ptr<StreamClient>> listening;
    for (std::size_t n = 0; n < 6; ++n) {
        listening.push_back(
            std::make_unique<StreamClient>(stack.port(), StreamClient::Options{stack.token(app)}));
        const auto from = R"(,"fromSeq":")" + numbers[n * 100] + '"';
        listening.back()->call("events.subscribe", subscription(from));
    }
    goes_on.join();
    numbers.insert(numbers.end(), later.begin(), later.end());
    for (std::size_t n = 0; n < listening.size(); ++n) {
        const std::vector<std::string> expected(
            numbers.begin() + static_cast<std::ptrdiff_t>(n * 100 + 1), numbers.end());
        CHECK(events(*listening[n], expected.size()) == expected);
    }
}

TEST_CASE("events: a slow reader is fed from the database and misses nothing", "[stream][events]") {
    StreamStack stack([](api::Config& config) {
        config.limits.outbound_bytes_max = 32 * 1024;
        config.limits.in_flight_max = 2000;
    });
    const auto app = stack.opened(1, 1'000'000);
    StreamClient slow(stack.port(), {stack.token(app), "millrace.v1", 4096});
    REQUIRE(at(slow.call("events.subscribe", subscription()), "result.subscription") != "missing");
    StreamClient paying(stack.port(), {stack.token(app)});
    std::uint64_t paid = 0;
    std::vector<std::string> numbers;
    for (int round = 0; round < 60; ++round)
        for (auto& number : pay(paying, app, paid, 100)) numbers.push_back(std::move(number));
    CHECK(events(slow, numbers.size()) == numbers);
    // It is live again.
    const auto newest = pay(paying, app, paid, 1);
    CHECK(events(slow, 1) == newest);
}

TEST_CASE("events: the subscriptions of a connection are limited", "[stream][events]") {
    StreamStack stack(
        [](api::Config& config) { config.limits.subscriptions_per_connection_max = 2; });
    const auto app = stack.opened(1, 1000);
    StreamClient client(stack.port(), {stack.token(app)});
    const auto first = client.call("events.subscribe", subscription());
    client.call("events.subscribe", subscription());
    const auto third = client.call("events.subscribe", subscription(only(app)));
    CHECK(at(third, "error.data.reason") == "rate_limited");
    CHECK(at(third, "error.data.limit") == "2");
    client.call("events.unsubscribe",
                R"({"subscription":")" + at(first, "result.subscription") + R"("})");
    CHECK(at(client.call("events.subscribe", subscription(only(app))), "result.subscription") !=
          "missing");
}
