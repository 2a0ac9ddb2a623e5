#pragma once

#include "ledger/request.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

enum class Topic { channel, payment, settlement };
std::string_view to_string(Topic topic);

/// The name of a payment's event (stream-protocol, Topics): paid, authorized, charged, released.
std::string_view event_name(PaymentKind kind);

struct StoredEvent {
    std::uint64_t seq = 0;
    Topic topic = Topic::payment;
    /// Events of topic `settlement` belong to no channel.
    std::optional<channel::ChannelId> channel_id;
    std::string name;
    /// A payment (`repeated` is false), or the data of another event: a JSON object, as stored.
    std::variant<PaymentCommitted, std::string> payload;
};

struct EventQuery {
    /// Events of the channels on either side of which this address is, and of its own claims.
    channel::Address address;
    std::vector<Topic> topics;
    /// Only of this channel; then none of topic `settlement`.
    std::optional<channel::ChannelId> channel;
    std::uint64_t after_seq = 0;
    std::size_t limit = 500;
};

struct EventPage {
    /// In the order of their seq.
    std::vector<StoredEvent> events;
    /// Every event that matches up to here has been given; the next page continues after it.
    std::uint64_t through_seq = 0;
    /// False: `through_seq` is the newest committed seq, there is nothing more for now.
    bool more = false;
};

/// One page, from one snapshot. Cost is bounded by the number of the party's channels and by
/// `limit`, not by how much the service has recorded.
EventPage read_events(pqxx::connection& connection, const EventQuery& query);

}  // namespace millrace::ledger
