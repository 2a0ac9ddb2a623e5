#include "api/shards.hpp"

#include "ledger/poster.hpp"
#include "tests/api/submit_one.hpp"
#include "tests/support/answers.hpp"

#include <catch2/catch.hpp>

#include <condition_variable>
#include <mutex>

using namespace support;

namespace {

/// Collects what the shards deliver and publish.
struct Desk {
    std::mutex mutex;
    std::condition_variable arrived;
    std::vector<ledger::Answer> answers;
    std::vector<std::uint64_t> published;
    std::string fatal;

    void deliver(std::vector<ledger::Answer> batch) {
        const std::lock_guard lock(mutex);
        for (auto& answer : batch) answers.push_back(std::move(answer));
        arrived.notify_all();
    }

    void publish(std::span<const ledger::Answer> batch) {
        const std::lock_guard lock(mutex);
        for (const auto& answer : batch)
            if (const auto* paid = std::get_if<ledger::PaymentCommitted>(&answer.outcome);
                paid && !paid->repeated)
                published.push_back(paid->result.seq);
    }

    bool wait_for(std::size_t count) {
        std::unique_lock lock(mutex);
        return arrived.wait_for(lock, std::chrono::seconds{60},
                                [&] { return answers.size() >= count; });
    }
};

api::Shards make(Books& books, Desk& desk, unsigned shards, std::size_t queue_max = 65536,
                 bool post_later = false) {
    return {{books.postgres.service_url(),
             shards,
             {},
             ledger::Checking::newest_first,
             64,
             queue_max,
             std::chrono::milliseconds{2000},
             std::chrono::milliseconds{5000},
             post_later,
             "test"},
            books.assets,
            [&desk](std::uint32_t, std::vector<ledger::Answer> batch) {
                desk.deliver(std::move(batch));
            },
            [&desk](std::span<const ledger::Answer> batch) { desk.publish(batch); },
            [&desk](const std::string& why) { desk.fatal = why; }};
}

/// Writers at work, which nobody had the leases of before.
struct Running {
    Books books;
    Desk desk;
    api::Shards shards;

    Running(unsigned writers, bool post_later)
        : shards(make(books, desk, writers, 65536, post_later)) {
        books.change("delete from shard_lease");
        REQUIRE(shards.start([](const std::string&) {}));
    }
};

}  // namespace

TEST_CASE("shards: two writers at once keep one order of numbers and a balanced ledger",
          "[shards]") {
    Running running(2, false);
    auto& [books, desk, shards] = running;
    constexpr std::size_t kChannels = 12;
    constexpr std::size_t kPayments = 40;
    std::vector<Payer> payers;
    for (unsigned n = 1; n <= kChannels; ++n) {
        payers.push_back(payer(books, n, n % 2));
        REQUIRE(submit_one(shards, payers.back().open(1'000'000)));
    }
    REQUIRE(desk.wait_for(kChannels));
    // Another process, which takes numbers whenever it likes; and one that waits for its turn.
    std::vector<std::uint64_t> taken;
    for (std::size_t round = 1; round <= kPayments; ++round) {
        std::vector<ledger::Request> requests;
        for (const auto& one : payers)
            requests.push_back(one.pay("p" + std::to_string(round), 5, 5 * round));
        REQUIRE(shards.submit(std::move(requests)).empty());
        if (round % 3 == 0) taken.push_back(books.take_numbers(1));
        if (round % 5 == 0) {
            const ledger::CommitOrder::Turn turn(shards.commit_order());
            taken.push_back(books.take_numbers(1));
        }
    }
    REQUIRE(desk.wait_for(kChannels + kChannels * kPayments));
    shards.stop();
    CHECK(desk.fatal.empty());
    // Every number belongs to one commit.
    auto numbers = taken;
    numbers.insert(numbers.end(), desk.published.begin(), desk.published.end());
    std::sort(numbers.begin(), numbers.end());
    CHECK(std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end());
    CHECK(numbers.size() == kChannels * kPayments + taken.size());
    CHECK(numbers.front() == kChannels + 1);
    CHECK(numbers.back() == kChannels + numbers.size());
    CHECK(books.query("select count(*) from shard_lease where batch > 0") == "2");
    CHECK(books.query("select last_seq from commit_sequence") == std::to_string(numbers.back()));
    CHECK(desk.published.size() == kChannels * kPayments);
    CHECK(std::is_sorted(desk.published.begin(), desk.published.end()));
    CHECK(std::adjacent_find(desk.published.begin(), desk.published.end()) == desk.published.end());
    CHECK(books.query("select count(*), count(distinct seq) from payment") ==
          std::to_string(kChannels * kPayments) + "|" + std::to_string(kChannels * kPayments));
    CHECK(books.query("select sum(charged) from channel") ==
          std::to_string(kChannels * kPayments * 5));
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("shards: what an earlier process has acknowledged is posted before anything is loaded",
          "[shards][posting]") {
    Books books(Books::Posting::behind);
    const auto one = payer(books, 1);
    {
        auto shard = books.shard();
        process(shard, one.open(1000));
        books.stop_posting();
        paid(process(shard, one.pay("a", 100, 100))[0]);
        paid(process(shard, one.pay("b", 50, 150))[0]);
        shard.release_lease(kNoon);
    }
    CHECK(books.query("select count(*) from payment") == "0");
    Desk desk;
    auto shards = make(books, desk, 1, 65536, true);
    REQUIRE(shards.start([](const std::string&) {}));
    CHECK(books.query("select string_agg(inference_id, ' ' order by seq) from payment") == "a b");
    REQUIRE(submit_one(shards, one.pay("b", 50, 300)));
    REQUIRE(submit_one(shards, one.pay("c", 5, 300)));
    REQUIRE(desk.wait_for(2));
    shards.stop();
    CHECK(paid(desk.answers[0]).repeated);
    CHECK(paid(desk.answers[1]).result.charged == units(155));
    CHECK(shards.commit_order().backlog.payments() == 1);
    CHECK(books.query("select count(*) from acknowledged_batch") == "1");
}

TEST_CASE(
    "shards: payments that arrive while others are committed are checked and decided in order",
    "[shards][posting]") {
    Running running(1, true);
    auto& [books, desk, shards] = running;
    constexpr std::size_t kChannels = 40;
    constexpr std::size_t kPayments = 20;
    std::vector<Payer> payers;
    for (unsigned n = 1; n <= kChannels; ++n) {
        payers.push_back(payer(books, n));
        REQUIRE(submit_one(shards, payers.back().open(1'000'000)));
    }
    REQUIRE(desk.wait_for(kChannels));
    for (std::size_t round = 1; round <= kPayments; ++round)
        for (const auto& one : payers)
            REQUIRE(submit_one(shards, one.pay("p" + std::to_string(round), 5, 5 * round)));
    auto forged = payers[0].pay("forged", 5, 5000);
    std::get<channel::Pay>(forged.command).voucher.signature = payers[1].voucher(5000).signature;
    REQUIRE(submit_one(shards, forged));
    REQUIRE(desk.wait_for(kChannels + kChannels * kPayments + 1));
    shards.stop();
    CHECK(desk.fatal.empty());
    CHECK(shards.queued() == 0);
    const auto refusals =
        std::count_if(desk.answers.begin(), desk.answers.end(), [](const auto& answer) {
            return std::holds_alternative<channel::Refusal>(answer.outcome);
        });
    CHECK(refusals == 1);
    CHECK(refused(desk.answers.back()) == channel::Error::voucher_signature);
    CHECK(desk.published.size() == kChannels * kPayments);
    CHECK(std::is_sorted(desk.published.begin(), desk.published.end()));
    CHECK(shards.commit_order().backlog.payments() == kChannels * kPayments);
}

TEST_CASE("shards: what waits for the ledger holds up nobody but its own channel",
          "[shards][posting]") {
    Running running(1, true);
    auto& [books, desk, shards] = running;
    const auto repeats = payer(books, 1);
    const auto opens = payer(books, 2);
    const auto pays = payer(books, 3);
    REQUIRE(submit_one(shards, repeats.open(1'000'000)));
    REQUIRE(submit_one(shards, pays.open(1'000'000)));
    constexpr std::size_t kMany = ledger::Backlog::kFew + 1;
    std::vector<ledger::Request> requests;
    for (std::size_t n = 1; n <= kMany; ++n)
        requests.push_back(repeats.pay("p" + std::to_string(n), 1, n));
    REQUIRE(shards.submit(std::move(requests)).empty());
    REQUIRE(desk.wait_for(2 + kMany));
    REQUIRE(shards.commit_order().backlog.payments() == kMany);
    // Nothing is posted: a repeat and an opening wait, and what is behind them on their channels.
    std::vector<ledger::Request> waiting;
    waiting.push_back(repeats.pay("p1", 1, 1));
    waiting.push_back(repeats.pay("behind", 1, kMany + 1));
    waiting.push_back(opens.open(1000));
    waiting.push_back(opens.pay("first", 5, 5));
    waiting.push_back(pays.pay("at-once", 7, 7));
    REQUIRE(shards.submit(std::move(waiting)).empty());
    REQUIRE(desk.wait_for(3 + kMany));
    CHECK(paid(desk.answers.back()).result.inference.text() == "at-once");
    CHECK(shards.queued() == 4);
    REQUIRE(submit_one(shards, pays.pay("and-again", 7, 14)));
    REQUIRE(desk.wait_for(4 + kMany));
    CHECK(paid(desk.answers.back()).result.inference.text() == "and-again");
    ledger::post_all(books.postgres.service_url(), std::chrono::seconds{5});
    auto& backlog = shards.commit_order().backlog;
    backlog.posted(std::stoll(books.query("select seq from posting")));
    REQUIRE(desk.wait_for(8 + kMany));
    shards.stop();
    CHECK(desk.fatal.empty());
    const auto answer = [&](std::size_t n) -> auto& {
        return desk.answers[4 + kMany + n];
    };
    CHECK(paid(answer(0)).repeated);
    CHECK(paid(answer(1)).result.inference.text() == "behind");
    CHECK(std::holds_alternative<ledger::ChannelChanged>(answer(2).outcome));
    CHECK(paid(answer(3)).result.charged == units(5));
    CHECK(shards.queued() == 0);
}

TEST_CASE("shards: a full queue gives the request back", "[shards]") {
    Books books;
    Desk desk;
    auto shards = make(books, desk, 1, 3);
    REQUIRE(shards.start([](const std::string&) {}));
    const auto one = payer(books, 1);
    std::vector<ledger::Request> requests;
    for (int n = 0; n < 5; ++n) requests.push_back(one.pay("p" + std::to_string(n), 1, 1));
    CHECK(shards.submit(std::move(requests)).size() == 2);
    shards.stop();
    CHECK(desk.answers.size() == 3);
    CHECK_FALSE(submit_one(shards, one.pay("late", 1, 1)));
}

TEST_CASE("shards: the second process waits for the lease and the first one's release lets it in",
          "[shards][lease]") {
    Books books;
    Desk first_desk;
    Desk second_desk;
    auto first = make(books, first_desk, 1);
    REQUIRE(first.start([](const std::string&) {}));
    auto second = make(books, second_desk, 1);
    std::mutex mutex;
    std::condition_variable waiting;
    std::string holder;
    bool started = false;
    std::thread starter([&] {
        started = second.start([&](const std::string& who) {
            const std::lock_guard lock(mutex);
            holder = who;
            waiting.notify_all();
        });
    });
    {
        std::unique_lock lock(mutex);
        REQUIRE(waiting.wait_for(lock, std::chrono::seconds{20}, [&] { return !holder.empty(); }));
    }
    CHECK(holder == "test");
    first.stop();
    starter.join();
    CHECK(started);
    const auto one = payer(books, 1);
    REQUIRE(submit_one(second, one.open(100)));
    CHECK(second_desk.wait_for(1));
}
