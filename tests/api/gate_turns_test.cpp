#include "api/gate/channel_turns.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <chrono>
#include <optional>
#include <string>

using namespace millrace;
using api::gate::ChannelTurns;
using std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

/// Calls on one channel, on one thread, whose turns are held until they are given back.
class Calls {
public:
    explicit Calls(ChannelTurns::Limits limits) : turns(limits) {}

    void call(char name, std::chrono::milliseconds patience = 10s) {
        boost::asio::co_spawn(context, take(name, patience), [](const std::exception_ptr& failure) {
            if (failure) std::rethrow_exception(failure);
        });
        run();
    }

    void end() {
        held.reset();
        run();
    }

    void end_and_keep() {
        std::move(*held).keep_for_second_request();
        held.reset();
        run();
    }

    void run() {
        context.restart();
        context.poll();
    }

    void run_for(std::chrono::milliseconds time) {
        context.restart();
        context.run_for(time);
    }

    ChannelTurns turns;
    boost::asio::io_context context{1};
    /// In the order in which they came to their turn; of those that were refused, the small letter.
    std::string seen;
    std::optional<ChannelTurns::Turn> held;

private:
    api::Task<void> take(char name, std::chrono::milliseconds patience) {
        auto turn = co_await turns.take({}, context.get_executor(), steady_clock::now() + patience);
        seen += turn ? name : static_cast<char>(name - 'A' + 'a');
        if (turn) held.emplace(std::move(*turn));
    }
};

}  // namespace

TEST_CASE("turns: calls on a channel come one after the other, in their order", "[gate]") {
    Calls calls({});
    for (const char name : {'A', 'B', 'C'}) calls.call(name);
    CHECK(calls.seen == "A");
    calls.end();
    CHECK(calls.seen == "AB");
    calls.end();
    CHECK(calls.seen == "ABC");
    CHECK(calls.turns.size() == 1);
    calls.end();
    CHECK(calls.turns.size() == 0);
}

TEST_CASE("turns: a second request comes before those that wait", "[gate]") {
    Calls calls({});
    for (const char name : {'A', 'B'}) calls.call(name);
    calls.end_and_keep();
    CHECK(calls.seen == "A");
    calls.call('C');
    CHECK(calls.seen == "AC");
    calls.end();
    CHECK(calls.seen == "ACB");
    calls.end();
    CHECK(calls.turns.size() == 0);
}

TEST_CASE("turns: who does not wait gets nothing that is kept for another", "[gate]") {
    Calls calls({});
    for (const char name : {'A', 'B'}) calls.call(name);
    calls.end_and_keep();
    calls.call('C', 0ms);
    CHECK(calls.seen == "Ac");
    calls.call('D');
    CHECK(calls.seen == "AcD");
    calls.end();
    CHECK(calls.seen == "AcDB");
    calls.end();
    calls.call('E', 0ms);
    CHECK(calls.seen == "AcDBE");
}

TEST_CASE("turns: a second request that does not come is not waited for long", "[gate]") {
    Calls calls({.waiting_max = 64, .kept = 20ms});
    for (const char name : {'A', 'B'}) calls.call(name);
    calls.end_and_keep();
    calls.run_for(1s);
    CHECK(calls.seen == "AB");
}

TEST_CASE("turns: kept for nobody, a channel is free", "[gate]") {
    Calls calls({});
    calls.call('A');
    calls.end_and_keep();
    CHECK(calls.turns.size() == 0);
}

TEST_CASE("turns: who waits too long, or behind too many, is refused", "[gate]") {
    Calls calls({.waiting_max = 1, .kept = 1s});
    calls.call('A');
    calls.call('B', 20ms);
    calls.call('C');
    CHECK(calls.seen == "Ac");
    calls.run_for(1s);
    CHECK(calls.seen == "Acb");
    calls.end();
    CHECK(calls.turns.size() == 0);
}
