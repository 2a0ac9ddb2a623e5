#include "ledger/backlog.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <future>
#include <thread>

using namespace std::chrono_literals;
using millrace::ledger::Backlog;

TEST_CASE("backlog: whoever waits for the ledger is told when it is up to date, or that it is not",
          "[posting]") {
    Backlog backlog;
    CHECK(backlog.wait_until_posted(0ms));
    backlog.acknowledged(10, 10);
    CHECK_FALSE(backlog.wait_until_posted(1ms));
    // Somebody waits, so there is work at once.
    CHECK(backlog.wait_for_work(1h));
    backlog.acknowledged(15, 5);
    CHECK(backlog.payments() == 15);
    auto waiting = std::async(std::launch::async, [&] { return backlog.wait_until_posted(1min); });
    backlog.posted(10);
    CHECK(backlog.payments() == 5);
    backlog.posted(20);
    CHECK(waiting.get());
    // What was posted before it was told to be acknowledged.
    backlog.acknowledged(20, 5);
    CHECK(backlog.payments() == 0);
    backlog.acknowledged(200'000, 150'000);
    CHECK_FALSE(backlog.wait_for_room(1ms));
    backlog.close();
    CHECK(backlog.wait_for_work(1h));
    backlog.posted(200'000);
    CHECK(backlog.wait_for_room(0ms));
    CHECK_FALSE(backlog.wait_for_work(1h));
}

TEST_CASE("backlog: while somebody waits for few to be left there is less and less room",
          "[posting]") {
    Backlog backlog;
    CHECK(backlog.drain());
    backlog.acknowledged(10, Backlog::kFew);
    CHECK(backlog.is_short());
    CHECK(backlog.drain());
    backlog.acknowledged(20, 98'000);
    CHECK_FALSE(backlog.is_short());
    CHECK(backlog.wait_for_room(0ms));
    CHECK_FALSE(backlog.drain());
    // Nobody has to ask twice for what is there; and what comes meanwhile waits, in the end.
    CHECK(backlog.wait_for_work(1h));
    const auto until = std::chrono::steady_clock::now() + 2 * Backlog::kDrainedWithin;
    while (backlog.wait_for_room(0ms) && std::chrono::steady_clock::now() < until)
        std::this_thread::yield();
    CHECK_FALSE(backlog.wait_for_room(0ms));
    auto drained = std::async(std::launch::async, [&] { backlog.wait_until_drained(); });
    backlog.posted(20);
    drained.get();
    CHECK(backlog.is_short());
    backlog.acknowledged(30, 98'000);
    CHECK(backlog.wait_for_room(0ms));
    // Where nothing can be posted, waiting is of no use, and payments have the room there is.
    CHECK_FALSE(backlog.drain());
    backlog.failed();
    CHECK(backlog.drain());
    backlog.wait_until_drained();
    backlog.acknowledged(40, 1);
    CHECK_FALSE(backlog.wait_until_posted(1h));
}

TEST_CASE("backlog: whoever posts rests, unless somebody waits for it or there is much",
          "[posting]") {
    Backlog backlog;
    backlog.acknowledged(10, 10);
    CHECK(backlog.rest(1ms));
    CHECK_FALSE(backlog.wait_until_posted(0ms));
    CHECK_FALSE(backlog.rest(1h));
    backlog.posted(10);
    CHECK(backlog.rest(1ms));
    backlog.acknowledged(20, 60'000);
    CHECK_FALSE(backlog.rest(1h));
    backlog.posted(20);
    backlog.close();
    CHECK_FALSE(backlog.rest(1h));
}
