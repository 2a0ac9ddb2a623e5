// Refunds of one channel that are asked for at once.
#include "channel/hex.hpp"
#include "tests/api/x402_stack.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <chrono>
#include <future>
#include <string>

using namespace support;
using channel::Amount;

TEST_CASE("x402 busy: of two refunds of a channel at once one is told that it is busy", "[x402]") {
    X402Stack test;
    const auto config = test.open(5000);
    const auto required = test.requirements(config);
    const auto payer = test.token(X402Stack::kPayer);
    const auto ask = [&](std::uint64_t amount, std::uint64_t nonce = 0) {
        return test.settle(test.completed(config, 0, amount, nonce), required, payer);
    };
    // Whoever is first waits until it is mined; the other one need not.
    test.stop_mining();
    const std::array<std::uint64_t, 2> amounts{4000, 300};
    std::array<std::future<RestAnswer>, 2> asked;
    for (std::size_t n = 0; n < asked.size(); ++n)
        asked[n] =
            std::async(std::launch::async, [&ask, amount = amounts[n]] { return ask(amount); });
    const auto is_answered = [&](std::size_t n) {
        return asked[n].wait_for(std::chrono::seconds{0}) == std::future_status::ready;
    };
    CHECK(test.chain.wait([&] { return is_answered(0) || is_answered(1); }));
    const std::size_t second = is_answered(0) ? 0 : 1;
    const auto first = 1 - second;
    const auto busy = asked[second].get();
    INFO(busy.response.body);
    CHECK(reason_of(busy) == "channel_busy");
    CHECK(busy.text("/success") == "false");
    CHECK(busy.text("/transaction").empty());
    CHECK(busy.text("/payer") == channel::to_hex(config.payer));
    CHECK_FALSE(is_answered(first));
    // For as long as the first one is on its way, to whichever party asks.
    CHECK(test.chain.wait([&] { return test.chain.query("select count(*) from refund") == "1"; }));
    CHECK(reason_of(ask(amounts[second])) == "channel_busy");
    CHECK(reason_of(test.settle(test.completed(config, 0, 1, 0), required,
                                test.token(X402Stack::kProvider))) == "channel_busy");
    CHECK(test.chain.query("select count(*) from refund") == "1");

    test.mine_on();
    const auto done = asked[first].get();
    INFO(done.response.body);
    CHECK(done.text("/success") == "true");
    CHECK(done.text("/amount") == std::to_string(amounts[first]));
    CHECK(ask(amounts[first]).text("/transaction") == done.text("/transaction"));
    REQUIRE(test.chain.wait(
        [&] { return test.chain.state(test.chain.id(config)).refunding.is_zero(); }));
    const auto next = ask(amounts[second], 1);
    INFO(next.response.body);
    CHECK(next.text("/success") == "true");
    CHECK(next.text("/amount") == std::to_string(amounts[second]));
    CHECK(test.totals(config).balance == Amount{700});
    CHECK(test.chain.query("select count(*) from refund") == "2");
    CHECK(test.chain.trial_balance() == "0");
}
