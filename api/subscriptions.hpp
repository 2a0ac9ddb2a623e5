#pragma once

#include "api/database.hpp"
#include "api/metrics.hpp"
#include "api/stream/call.hpp"
#include "api/stream/outbox.hpp"
#include "channel/bytes.hpp"
#include "ledger/event_reader.hpp"
#include "ledger/request.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace millrace::api {

/// An event as it was committed, on its way to subscribers.
struct LiveEvent {
    std::uint64_t seq = 0;
    ledger::Topic topic = ledger::Topic::payment;
    /// Of its channel; null for topic `settlement`.
    std::shared_ptr<const ledger::ChannelTerms> terms;
    /// Whose claim it is about, for topic `settlement`.
    channel::Address receiver;
    /// The payment, or the data of another event as JSON text.
    std::variant<ledger::PaymentCommitted, std::string> payload;
};
using LiveEvents = std::shared_ptr<const std::vector<LiveEvent>>;

/// Who wants to hear of what, over all threads: what nobody wants is not even copied. Safe to use
/// from several threads.
class Interest {
public:
    /// The newest committed seq of this process: every event behind it will be offered to whoever
    /// has joined.
    std::uint64_t join(const channel::Address& address);
    void leave(const channel::Address& address);
    /// What was committed before this process began.
    void begin_after(std::uint64_t seq);

    /// Takes note of what was committed, in commit order, and gives those events that somebody
    /// wants; null when there are none.
    LiveEvents select(std::span<const ledger::Answer> answers);
    LiveEvents select(const ChainService::SettlementEvent& event);

private:
    bool is_wanted(const ledger::ChannelTerms& terms) const;

    std::mutex mutex_;
    std::unordered_map<channel::Address, std::size_t> joined_;
    std::uint64_t last_seq_ = 0;
};

/// One event stream of one connection.
struct Subscription;

/// The subscriptions of the connections of one I/O thread; only that thread uses it. Events are
/// delivered in commit order, without gap; one that was asked for from a seq on, and one whose
/// reader was too slow, is fed from the database until it has caught up.
class Subscriptions {
public:
    Subscriptions(boost::asio::any_io_executor executor, Interest& interest);
    ~Subscriptions();
    /// Before the first subscription.
    void use(Database& database, Metrics& metrics);

    struct Subscribed {
        std::string id;
        /// Live events come from here on.
        std::uint64_t seq = 0;
    };
    /// `outbox` belongs to the connection, `address` is who is logged in there. No event is put
    /// into the outbox before this returns.
    Subscribed add(std::shared_ptr<stream::Outbox> outbox, const channel::Address& address,
                   stream::Subscribe wanted);
    /// False when this outbox has no subscription of that id.
    bool remove(const stream::Outbox& outbox, const std::string& id);
    void remove_all(const stream::Outbox& outbox);
    std::size_t count(const stream::Outbox& outbox) const;

    void distribute(const LiveEvents& events);

private:
    using Shared = std::shared_ptr<Subscription>;
    void offer(const channel::Address& address, const LiveEvent& event);
    void deliver(const Shared& subscription, const LiveEvent& event);
    void begin_replay(Shared subscription);
    Task<void> replay(Shared subscription);
    /// True when the subscription has caught up and is live from here on.
    bool take_page(Subscription& subscription, const ledger::EventPage& page);
    void forget(const Shared& subscription);

    boost::asio::any_io_executor executor_;
    Interest& interest_;
    Database* database_ = nullptr;
    Metrics* metrics_ = nullptr;
    std::uint64_t next_id_ = 1;
    std::unordered_map<const stream::Outbox*, std::vector<Shared>> by_outbox_;
    std::unordered_map<channel::Address, std::vector<Shared>> by_address_;
};

}  // namespace millrace::api
