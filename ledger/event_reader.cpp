#include "ledger/event_reader.hpp"

#include "ledger/bytea.hpp"
#include "ledger/row_values.hpp"
#include "ledger/snapshot.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

// Numbers are dense, so a window of them bounds how many rows there can be in it. It grows while a
// party's events are few, and each channel costs one look into an index per window.
constexpr std::uint64_t kFirstWindow = 4096;
constexpr std::uint64_t kWindowGrowth = 8;

constexpr const char* kEvents = R"sql(
    with mine as (
        select channel_id, opened_at from channel where payer = $1::bytea
        union select channel_id, opened_at from channel where payer_authorizer = $1::bytea
        union select channel_id, opened_at from channel where receiver = $1::bytea
        union select channel_id, opened_at from channel where receiver_authorizer = $1::bytea
    ), wanted as materialized (
        select channel_id, date_trunc('month', opened_at at time zone 'UTC')::date as month
        from mine where $5::bytea is null or channel_id = $5::bytea
    )
    (select p.seq, 'payment' as topic, w.channel_id, p.kind as name, p.detail as data,
            p.inference_id, p.kind, p.amount, p.charged, p.reserved, p.signed_max, p.balance
     from wanted w cross join lateral (
         select * from payment
         where $6 and channel_id = w.channel_id and channel_month = w.month and seq > $2
             and seq <= $3
         order by seq limit $4) p)
    union all
    (select e.seq, e.topic, w.channel_id, e.name, e.data, null, null, null, null, null, null, null
     from wanted w cross join lateral (
         select * from event
         where $7 and channel_id = w.channel_id and seq > $2 and seq <= $3 and topic = 'channel'
         order by seq limit $4) e)
    union all
    (select seq, topic, null, name, data, null, null, null, null, null, null, null
     from event
     where $8 and $5::bytea is null and receiver = $1::bytea and seq > $2 and seq <= $3
         and topic = 'settlement'
     order by seq limit $4)
    order by seq
    limit $4)sql";

bool wants(const EventQuery& query, Topic topic) {
    return std::find(query.topics.begin(), query.topics.end(), topic) != query.topics.end();
}

StoredEvent event_from(const pqxx::row& row) {
    StoredEvent event{row["seq"].as<std::uint64_t>(),
                      Topic::settlement,
                      {},
                      row["name"].c_str(),
                      std::string(row["data"].c_str())};
    if (row["channel_id"].is_null()) return event;
    event.channel_id = from_bytea<channel::ChannelId>(row["channel_id"]);
    event.topic = Topic::channel;
    if (row["kind"].is_null()) return event;
    event.topic = Topic::payment;
    const auto kind = payment_kind_column(row["kind"]);
    event.name = event_name(kind);
    event.payload =
        PaymentCommitted{kind, false, payment_result(row, *event.channel_id), row["data"].c_str()};
    return event;
}

std::vector<StoredEvent> read_window(Snapshot& snapshot, const EventQuery& query,
                                     std::uint64_t after, std::uint64_t through,
                                     std::size_t limit) {
    const auto channel = query.channel ? std::optional(to_bytea(*query.channel)) : std::nullopt;
    const auto rows = snapshot.reading().exec_params(
        kEvents, to_bytea(query.address), after, through, limit,
        channel ? channel->c_str() : nullptr, wants(query, Topic::payment),
        wants(query, Topic::channel), wants(query, Topic::settlement));
    std::vector<StoredEvent> events;
    for (const auto& row : rows) events.push_back(event_from(row));
    return events;
}

}  // namespace

std::string_view to_string(Topic topic) {
    switch (topic) {
        case Topic::channel:
            return "channel";
        case Topic::payment:
            return "payment";
        case Topic::settlement:
            return "settlement";
    }
    return {};
}

std::string_view event_name(PaymentKind kind) {
    switch (kind) {
        case PaymentKind::pay:
            return "paid";
        case PaymentKind::authorize:
            return "authorized";
        case PaymentKind::charge:
            return "charged";
        case PaymentKind::release:
            return "released";
    }
    return {};
}

EventPage read_events(pqxx::connection& connection, const EventQuery& query) {
    Snapshot snapshot(connection);
    EventPage page{{}, query.after_seq, false};
    auto window = kFirstWindow;
    while (page.through_seq < snapshot.seq() && page.events.size() < query.limit) {
        const auto through =
            snapshot.seq() - page.through_seq > window ? page.through_seq + window : snapshot.seq();
        auto found = read_window(snapshot, query, page.through_seq, through,
                                 query.limit - page.events.size());
        page.events.insert(page.events.end(), std::make_move_iterator(found.begin()),
                           std::make_move_iterator(found.end()));
        page.through_seq = through;
        window *= kWindowGrowth;
    }
    // A full page says nothing about what lies behind its last event.
    if (page.events.size() >= query.limit && !page.events.empty())
        page.through_seq = page.events.back().seq;
    page.more = page.through_seq < snapshot.seq();
    return page;
}

}  // namespace millrace::ledger
