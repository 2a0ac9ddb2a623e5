#include "api/chain/shard_calls.hpp"

#include "api/shards.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>

namespace millrace::api {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// Longer than a shard waits for one answer of its database.
constexpr auto kAnswerTimeout = 30s;

void set_reply_to(ledger::Request& request, const ledger::ReplyTo& reply_to) {
    std::visit([&](auto& one) { one.reply_to = reply_to; }, request);
}

std::uint64_t id_of(const ledger::Request& request) {
    return std::visit([](const auto& one) { return one.reply_to.request; }, request);
}

}  // namespace

struct ShardCalls::Pending {
    asio::steady_timer done;
    std::size_t left;
    std::vector<ledger::Answer> answers;
};

ShardCalls::ShardCalls(asio::any_io_executor executor, Shards& shards, std::uint32_t gateway)
    : executor_(std::move(executor)), shards_(shards), gateway_(gateway) {}

ShardCalls::~ShardCalls() = default;

Task<std::vector<ledger::Answer>> ShardCalls::call(std::vector<ledger::Request> requests) {
    const auto count = requests.size();
    const ledger::Answer unanswered{{}, nullptr, channel::Refusal{channel::Error::unavailable}};
    Pending pending{asio::steady_timer(executor_, kAnswerTimeout), count,
                    std::vector<ledger::Answer>(count, unanswered)};
    if (closed_ || count == 0) co_return std::move(pending.answers);

    const auto first_id = last_id_ + 1;
    last_id_ += count;
    for (std::size_t at = 0; at < count; ++at) {
        set_reply_to(requests[at], {gateway_, 0, first_id + at});
        places_.emplace(first_id + at, Place{&pending, at});
    }
    for (const auto& refused : shards_.submit(std::move(requests))) {
        const auto place = places_.extract(id_of(refused));
        pending.answers[place.mapped().index].outcome =
            channel::Refusal{channel::Error::overloaded};
        --pending.left;
    }
    if (pending.left != 0) co_await pending.done.async_wait(asio::as_tuple(asio::use_awaitable));
    for (std::size_t at = 0; at < count; ++at) places_.erase(first_id + at);
    co_return std::move(pending.answers);
}

Task<ledger::Answer> ShardCalls::call_one(ledger::Request request) {
    std::vector<ledger::Request> requests;
    requests.push_back(std::move(request));
    auto answers = co_await call(std::move(requests));
    co_return std::move(answers.front());
}

void ShardCalls::deliver(std::vector<ledger::Answer> answers) {
    asio::post(executor_, [this, answers = std::move(answers)]() mutable { take(answers); });
}

void ShardCalls::take(std::vector<ledger::Answer>& answers) {
    for (auto& answer : answers) {
        const auto place = places_.extract(answer.reply_to.request);
        if (place.empty()) continue;
        auto& [pending, index] = place.mapped();
        pending->answers[index] = std::move(answer);
        if (--pending->left == 0) pending->done.cancel();
    }
}

void ShardCalls::close() {
    closed_ = true;
    for (auto& [id, place] : places_) place.pending->done.cancel();
}

}  // namespace millrace::api
