#include "ledger/settlement/quarantine.hpp"

#include "ledger/bytea.hpp"
#include "ledger/row_values.hpp"
#include "ledger/settlement/columns.hpp"
#include "ledger/settlement/pause.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>

namespace millrace::ledger {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kPause = 60s;
constexpr std::chrono::seconds kPauseMax = 600s;

constexpr const char* kBefore =
    "select attempts, reason from claim_quarantine where channel_id = $1::bytea";
constexpr const char* kInsert = R"sql(
    insert into claim_quarantine (channel_id, asset_id, receiver, reason, detail, amount, balance,
        total_claimed, signature, attempts, since, retry_at)
    select channel_id, asset_id, receiver, $2::text, $3::text, $4::numeric, balance,
        total_claimed, $5::bytea, $6::integer, $7::timestamptz,
        case when status = 'closing' then least($8::timestamptz, $9::timestamptz)
            else $8::timestamptz end
    from channel where channel_id = $1::bytea
    on conflict (channel_id) do update set reason = excluded.reason, detail = excluded.detail,
        amount = excluded.amount, balance = excluded.balance,
        total_claimed = excluded.total_claimed, signature = excluded.signature,
        attempts = excluded.attempts, retry_at = excluded.retry_at)sql";
constexpr const char* kRelease = "delete from claim_quarantine where channel_id = $1::bytea";
constexpr const char* kReleaseUnlessReverted = R"sql(
    delete from claim_quarantine where channel_id = $1::bytea and reason <> 'reverted')sql";
constexpr const char* kReleaseClaimed = R"sql(
    delete from claim_quarantine q using claim_row r, outbox o
    where q.channel_id = r.channel_id and r.claim_id = $1 and o.outbox_id = r.outbox_id
        and o.status = 'confirmed')sql";
constexpr const char* kRevertedAlone = R"sql(
    select r.channel_id, r.signature, r.increment, coalesce(o.error, '') as error
    from claim_row r join outbox o on o.outbox_id = r.outbox_id
    where r.claim_id = $1 and o.status = 'failed' and o.block_number > 0
        and not exists (
            select from claim_row b
            where b.outbox_id = r.outbox_id and b.channel_id <> r.channel_id))sql";
constexpr const char* kList = R"sql(
    select channel_id, asset_id, reason, detail, amount, attempts, {} as since, {} as retry_at
    from claim_quarantine
    where receiver = $1::bytea and channel_id > $2::bytea
    order by channel_id
    limit $3)sql";

struct Refused {
    std::string channel_id;
    RowFault fault;
    std::string detail;
    std::string amount;
    std::string signature;
};

/// Whether there is something new to tell.
bool put(pqxx::transaction_base& transaction, const Refused& refused, Time now) {
    const auto before = transaction.exec_params(kBefore, refused.channel_id);
    const auto attempts = before.empty() ? 1u : before[0][0].as<unsigned>() + 1;
    transaction.exec_params0(kInsert, refused.channel_id, std::string(to_string(refused.fault)),
                             refused.detail, refused.amount, refused.signature, attempts,
                             to_rfc3339(now), to_rfc3339(now + quarantine_pause(attempts)),
                             to_rfc3339(now + kPause));
    return before.empty() || before[0][1].c_str() != to_string(refused.fault);
}

std::string event_data(const BadRow& bad, const Asset& asset) {
    const auto& [row, fault, detail] = bad;
    return fmt::format(
        R"({{"name":"quarantined","channelId":"{}","network":"{}","token":"{}","receiver":"{}",)"
        R"("reason":"{}","detail":{},"amount":"{}"}})",
        channel::to_hex(row.id), channel::to_string(asset.network), channel::to_hex(asset.token),
        channel::to_hex(row.claim.config.receiver), to_string(fault),
        boost::json::serialize(boost::json::string(detail)), channel::to_string(row.increment));
}

}  // namespace

std::chrono::seconds quarantine_pause(unsigned attempts) {
    return pause_after(attempts, kPause, kPauseMax);
}

std::vector<SettlementEvent> quarantine(pqxx::transaction_base& transaction,
                                        std::span<const BadRow> rows, const Asset& asset,
                                        Time now) {
    std::vector<SettlementEvent> events;
    for (const auto& bad : rows) {
        const auto& [row, fault, detail] = bad;
        const bool is_new = put(transaction,
                                {to_bytea(row.id), fault, detail, channel::to_string(row.increment),
                                 to_bytea(row.claim.signature.view())},
                                now);
        if (!is_new) continue;
        events.push_back({take_seq(transaction), "quarantined", row.claim.config.receiver,
                          event_data(bad, asset)});
        write_event(transaction, events.back(), asset, now);
    }
    return events;
}

void quarantine_reverted(pqxx::transaction_base& transaction, const std::string& claim_id,
                         Time now) {
    for (const auto& row : transaction.exec_params(kRevertedAlone, claim_id))
        put(transaction,
            {row["channel_id"].c_str(), RowFault::reverted, row["error"].c_str(),
             row["increment"].c_str(), row["signature"].c_str()},
            now);
}

void release_unless_reverted(pqxx::transaction_base& transaction, const channel::ChannelId& id) {
    transaction.exec_params0(kReleaseUnlessReverted, to_bytea(id));
}

void release_claimed(pqxx::transaction_base& transaction, const std::string& claim_id) {
    transaction.exec_params0(kReleaseClaimed, claim_id);
}

std::size_t release_from_quarantine(pqxx::transaction_base& transaction,
                                    std::span<const channel::ChannelId> ids) {
    std::size_t released = 0;
    for (const auto& id : ids)
        released += transaction.exec_params(kRelease, to_bytea(id)).affected_rows();
    return released;
}

std::vector<QuarantinedChannel> list_quarantine(pqxx::transaction_base& transaction,
                                                const channel::Address& receiver,
                                                const std::optional<channel::ChannelId>& after,
                                                std::size_t limit) {
    const auto statement =
        fmt::format(fmt::runtime(kList), rfc3339_of("since"), rfc3339_of("retry_at"));
    const auto behind = after ? to_bytea(*after) : std::string("\\x");
    std::vector<QuarantinedChannel> found;
    for (const auto& row : transaction.exec_params(statement, to_bytea(receiver), behind, limit))
        found.push_back(
            {from_bytea<channel::ChannelId>(row["channel_id"]), row["asset_id"].as<std::int32_t>(),
             row["reason"].c_str(), row["detail"].c_str(), amount_from(row["amount"]),
             row["attempts"].as<unsigned>(), row["since"].c_str(), row["retry_at"].c_str()});
    return found;
}

}  // namespace millrace::ledger
