#include "api/subscriptions.hpp"

#include "api/stream/render.hpp"

#include <spdlog/spdlog.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>

namespace millrace::api {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kPageEvents = 256;
/// While a subscription catches up, so many live events wait beside it; beyond, it asks again.
constexpr std::size_t kWaitingMax = 1024;
constexpr std::chrono::seconds kDatabaseRetry{1};

std::string data_of(const std::variant<ledger::PaymentCommitted, std::string>& payload) {
    if (const auto* payment = std::get_if<ledger::PaymentCommitted>(&payload))
        return stream::payment_event_data(*payment);
    return std::get<std::string>(payload);
}

void forget_one(std::vector<std::shared_ptr<Subscription>>& list,
                const std::shared_ptr<Subscription>& one) {
    list.erase(std::remove(list.begin(), list.end(), one), list.end());
}

}  // namespace

struct Subscription {
    std::string id;
    std::shared_ptr<stream::Outbox> outbox;
    channel::Address address;
    stream::Subscribe wanted;
    /// Everything up to here has been put into the outbox, or was not wanted.
    std::uint64_t through = 0;
    bool live = false;
    bool ended = false;
    /// Live events that arrived during a replay; incomplete once `overflowed`.
    std::vector<LiveEvent> waiting;
    bool overflowed = false;

    bool wants(const LiveEvent& event) const {
        if (std::find(wanted.topics.begin(), wanted.topics.end(), event.topic) ==
            wanted.topics.end())
            return false;
        return !wanted.channel || (event.terms && event.terms->id == *wanted.channel);
    }

    void send(std::uint64_t seq, ledger::Topic topic, std::string_view data) {
        stream::append_event(outbox->begin(), id, seq, topic, data);
        outbox->end();
    }
};

Subscriptions::Subscriptions(asio::any_io_executor executor, Interest& interest)
    : executor_(std::move(executor)), interest_(interest) {}
Subscriptions::~Subscriptions() = default;

void Subscriptions::use(Database& database, Metrics& metrics) {
    database_ = &database;
    metrics_ = &metrics;
}

Subscriptions::Subscribed Subscriptions::add(std::shared_ptr<stream::Outbox> outbox,
                                             const channel::Address& address,
                                             stream::Subscribe wanted) {
    auto subscription = std::make_shared<Subscription>();
    subscription->id = std::to_string(next_id_++);
    subscription->outbox = std::move(outbox);
    subscription->address = address;
    subscription->wanted = std::move(wanted);
    by_outbox_[subscription->outbox.get()].push_back(subscription);
    by_address_[address].push_back(subscription);
    metrics_->subscriptions.Increment();

    const Subscribed subscribed{subscription->id, interest_.join(address)};
    const auto from = subscription->wanted.from_seq.value_or(subscribed.seq);
    subscription->through = from;
    subscription->live = from >= subscribed.seq;
    if (!subscription->live) begin_replay(subscription);
    return subscribed;
}

bool Subscriptions::remove(const stream::Outbox& outbox, const std::string& id) {
    const auto found = by_outbox_.find(&outbox);
    if (found == by_outbox_.end()) return false;
    const auto one = std::find_if(found->second.begin(), found->second.end(),
                                  [&](const Shared& held) { return held->id == id; });
    if (one == found->second.end()) return false;
    const auto subscription = *one;
    forget_one(found->second, subscription);
    if (found->second.empty()) by_outbox_.erase(found);
    forget(subscription);
    return true;
}

void Subscriptions::remove_all(const stream::Outbox& outbox) {
    const auto found = by_outbox_.find(&outbox);
    if (found == by_outbox_.end()) return;
    const auto all = std::move(found->second);
    by_outbox_.erase(found);
    for (const auto& subscription : all) forget(subscription);
}

void Subscriptions::forget(const Shared& subscription) {
    subscription->ended = true;
    subscription->waiting.clear();
    const auto found = by_address_.find(subscription->address);
    forget_one(found->second, subscription);
    if (found->second.empty()) by_address_.erase(found);
    interest_.leave(subscription->address);
    metrics_->subscriptions.Decrement();
}

std::size_t Subscriptions::count(const stream::Outbox& outbox) const {
    const auto found = by_outbox_.find(&outbox);
    return found == by_outbox_.end() ? 0 : found->second.size();
}

void Subscriptions::distribute(const LiveEvents& events) {
    for (const auto& event : *events) {
        if (!event.terms) {
            offer(event.receiver, event);
            continue;
        }
        // One subscription hears of an event once, also where its address has two roles.
        const auto& config = event.terms->config;
        offer(config.payer, event);
        if (config.payer_authorizer != config.payer) offer(config.payer_authorizer, event);
        if (!ledger::is_payer_side(config, config.receiver)) offer(config.receiver, event);
        if (config.receiver_authorizer != config.receiver &&
            !ledger::is_payer_side(config, config.receiver_authorizer))
            offer(config.receiver_authorizer, event);
    }
}

void Subscriptions::offer(const channel::Address& address, const LiveEvent& event) {
    const auto found = by_address_.find(address);
    if (found == by_address_.end()) return;
    for (const auto& subscription : found->second)
        if (subscription->wants(event)) deliver(subscription, event);
}

void Subscriptions::deliver(const Shared& subscription, const LiveEvent& event) {
    if (!subscription->live) {
        if (subscription->waiting.size() < kWaitingMax)
            subscription->waiting.push_back(event);
        else
            subscription->overflowed = true;
        return;
    }
    if (event.seq <= subscription->through) return;
    if (subscription->outbox->is_full()) {
        // Its reader is too slow: the database keeps the event for it better than memory does.
        subscription->live = false;
        begin_replay(subscription);
        return;
    }
    subscription->send(event.seq, event.topic, data_of(event.payload));
    subscription->through = event.seq;
    metrics_->events_sent.Increment();
}

void Subscriptions::begin_replay(Shared subscription) {
    asio::co_spawn(executor_, replay(std::move(subscription)), [](const std::exception_ptr& error) {
        if (error) std::rethrow_exception(error);
    });
}

Task<void> Subscriptions::replay(Shared subscription) {
    for (;;) {
        co_await subscription->outbox->room();
        if (subscription->ended || subscription->outbox->is_shut()) co_return;
        // What is committed from here on is either in the page or is offered while it is read.
        subscription->waiting.clear();
        subscription->overflowed = false;
        const ledger::EventQuery query{subscription->address, subscription->wanted.topics,
                                       subscription->wanted.channel, subscription->through,
                                       kPageEvents};
        // Named: GCC 12 destroys a temporary with captures twice when it is awaited.
        const auto read = [query](pqxx::connection& connection) {
            return ledger::read_events(connection, query);
        };
        bool failed = false;
        try {
            const auto page = co_await database_->run_when_posted(read);
            if (subscription->ended || subscription->outbox->is_shut()) co_return;
            if (take_page(*subscription, page)) co_return;
        } catch (const std::exception& error) {
            spdlog::warn("events cannot be read, trying again: {}", error.what());
            failed = true;
        }
        if (!failed) continue;
        asio::steady_timer pause(executor_, kDatabaseRetry);
        co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

bool Subscriptions::take_page(Subscription& subscription, const ledger::EventPage& page) {
    for (const auto& event : page.events)
        subscription.send(event.seq, event.topic, data_of(event.payload));
    metrics_->events_sent.Increment(static_cast<double>(page.events.size()));
    subscription.through = std::max(subscription.through, page.through_seq);
    if (page.more || subscription.overflowed) return false;
    subscription.live = true;
    for (const auto& event : subscription.waiting) {
        if (event.seq <= subscription.through) continue;
        subscription.send(event.seq, event.topic, data_of(event.payload));
        subscription.through = event.seq;
        metrics_->events_sent.Increment();
    }
    subscription.waiting = {};
    return true;
}

}  // namespace millrace::api
