#include "api/waiting_requests.hpp"

#include "ledger/request.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using api::WaitingRequests;

namespace {

channel::ChannelId id_of(std::uint8_t number) {
    channel::ChannelId id;
    id.bytes.fill(number);
    return id;
}

ledger::Request payment(std::uint8_t channel, std::uint64_t number) {
    ledger::PaymentRequest request;
    request.channel = id_of(channel);
    request.reply_to.request = number;
    return request;
}

ledger::Request event(std::uint8_t channel, std::uint64_t number) {
    return ledger::UndoChannelEvent{{0, 0, number}, id_of(channel), 1};
}

bool is_event(const ledger::Request& request) {
    return std::holds_alternative<ledger::UndoChannelEvent>(request);
}
bool nothing(const ledger::Request&) {
    return false;
}

std::vector<std::uint64_t> numbers(const std::vector<ledger::Request>& requests) {
    std::vector<std::uint64_t> all;
    for (const auto& request : requests)
        all.push_back(std::visit([](const auto& one) { return one.reply_to.request; }, request));
    return all;
}

WaitingRequests waiting_of(std::vector<ledger::Request> requests) {
    WaitingRequests waiting;
    waiting.add(requests);
    CHECK(requests.empty());
    return waiting;
}

using Numbers = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("waiting requests: what must wait is put aside with all behind it on its channel",
          "[shards]") {
    auto waiting = waiting_of(
        {payment(1, 1), event(2, 2), payment(3, 3), payment(2, 4), event(4, 5), payment(1, 6)});
    CHECK_FALSE(waiting.has_aside());
    CHECK(numbers(waiting.take_next(is_event)) == Numbers{1, 3, 6});
    CHECK(waiting.has_aside());
    CHECK(waiting.has_none_next());
    CHECK(waiting.size() == 3);
    // Although it need not wait itself any more.
    std::vector<ledger::Request> more;
    more.push_back(payment(2, 7));
    more.push_back(payment(5, 8));
    waiting.add(more);
    CHECK(numbers(waiting.take_next(nothing)) == Numbers{8});
    CHECK(numbers(waiting.take_aside()) == Numbers{2, 4, 5, 7});
    CHECK_FALSE(waiting.has_aside());
    CHECK(waiting.size() == 0);
    std::vector<ledger::Request> later;
    later.push_back(payment(2, 9));
    waiting.add(later);
    CHECK(numbers(waiting.take_next(nothing)) == Numbers{9});
}

TEST_CASE("waiting requests: a batch is of so many requests and channels", "[shards]") {
    constexpr std::uint64_t kMost = 8000;
    constexpr std::uint64_t kChannels = 192;
    std::vector<ledger::Request> many;
    for (std::uint64_t n = 0; n < kMost + 5; ++n) many.push_back(payment(1, n));
    auto waiting = waiting_of(std::move(many));
    CHECK(waiting.take_next(nothing).size() == kMost);
    CHECK(numbers(waiting.take_next(nothing)).front() == kMost);
    std::vector<ledger::Request> of_many;
    for (std::uint64_t n = 0; n <= kChannels; ++n)
        of_many.push_back(event(static_cast<std::uint8_t>(n), n));
    of_many.push_back(event(0, kChannels + 1));
    waiting.add(of_many);
    CHECK(waiting.take_next(is_event).empty());
    CHECK(waiting.take_aside().size() == kChannels);
    CHECK(waiting.has_aside());
    CHECK(numbers(waiting.take_aside()) == Numbers{kChannels, kChannels + 1});
}

TEST_CASE("waiting requests: each is given out once to be looked at, and before its batch",
          "[shards]") {
    auto waiting = waiting_of({payment(1, 1), event(2, 2), payment(3, 3), payment(4, 4)});
    CHECK(waiting.look_ahead(5, 8).empty());
    CHECK(waiting.look_ahead(2, 3).size() == 3);
    CHECK(waiting.look_ahead(2, 3).empty());
    CHECK(numbers(waiting.take_next(is_event)) == Numbers{1, 3, 4});
    std::vector<ledger::Request> more;
    more.push_back(payment(5, 5));
    waiting.add(more);
    const auto next = waiting.look_ahead(1, 3);
    REQUIRE(next.size() == 1);
    CHECK(std::get<ledger::PaymentRequest>(*next.front()).reply_to.request == 5);
}
