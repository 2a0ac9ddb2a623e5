#include "ledger/stats_reader.hpp"

#include "ledger/snapshot.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kClaims = "select status, count(*) from claim group by status";
constexpr const char* kOutbox = R"sql(
    select network, count(*) filter (where status in ('queued', 'sent')),
        coalesce(floor(extract(epoch from current_timestamp - min(created_at)
            filter (where status in ('queued', 'sent')))), 0)::bigint
    from outbox
    group by network)sql";
constexpr const char* kReorganisations = R"sql(
    select network, number, depth from chain_reorganisation r
    where number = (select max(number) from chain_reorganisation m where m.network = r.network))sql";
constexpr const char* kInDoubt = "select count(*) from channel where in_doubt";
constexpr const char* kClosing = R"sql(
    select a.network, count(*),
        min(c.withdraw_requested_at + c.withdraw_delay_seconds)
            - floor(extract(epoch from current_timestamp))::bigint
    from channel c join asset a on a.asset_id = c.asset_id
    where c.status = 'closing' and c.charged > c.total_claimed
    group by a.network)sql";
constexpr const char* kRefundsPending = "select count(*) from channel where refunding > 0";
constexpr const char* kRefundsGivenUp = "select count(*) from refund where reference is null";
constexpr const char* kQuarantined =
    "select reason, count(*) from claim_quarantine group by reason";
constexpr const char* kLeases = R"sql(
    select shard, holder, epoch, floor(extract(epoch from expires_at))::bigint
    from shard_lease
    order by shard)sql";

}  // namespace

Stats read_stats(pqxx::connection& connection) {
    Snapshot snapshot(connection);
    Stats stats;
    stats.last_seq = snapshot.seq();
    for (const auto& row : snapshot.reading().exec(kClaims))
        stats.claims.emplace(row[0].c_str(), row[1].as<std::uint64_t>());
    for (const auto& row : snapshot.reading().exec(kOutbox)) {
        stats.outbox_pending.emplace(row[0].c_str(), row[1].as<std::uint64_t>());
        stats.outbox_oldest.emplace(row[0].c_str(), row[2].as<std::int64_t>());
    }
    for (const auto& row : snapshot.reading().exec(kReorganisations))
        stats.reorganisations[row[0].c_str()] = {row[1].as<std::uint64_t>(),
                                                 row[2].as<std::uint64_t>()};
    stats.channels_in_doubt = snapshot.reading().exec1(kInDoubt)[0].as<std::uint64_t>();
    for (const auto& row : snapshot.reading().exec(kClosing))
        stats.closing[row[0].c_str()] = {row[1].as<std::uint64_t>(), row[2].as<std::int64_t>()};
    stats.refunds_pending = snapshot.reading().exec1(kRefundsPending)[0].as<std::uint64_t>();
    stats.refunds_given_up = snapshot.reading().exec1(kRefundsGivenUp)[0].as<std::uint64_t>();
    for (const auto& row : snapshot.reading().exec(kQuarantined))
        stats.quarantined.emplace(row[0].c_str(), row[1].as<std::uint64_t>());
    for (const auto& row : snapshot.reading().exec(kLeases)) {
        stats.leases.push_back({row[0].as<std::int16_t>(), row[1].c_str(),
                                row[2].as<std::int64_t>(), row[3].as<std::int64_t>()});
    }
    return stats;
}

}  // namespace millrace::ledger
