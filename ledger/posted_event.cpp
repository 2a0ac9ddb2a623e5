#include "ledger/posted_event.hpp"

#include "ledger/bytea.hpp"
#include "ledger/settlement/columns.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kStanding = R"sql(
    select
        (select count(*) from chain_event
         where network = $1 and transaction_hash = $2::bytea and log_index = $3),
        exists (select from chain_event e
                where network = $1 and transaction_hash = $2::bytea and log_index = $3
                    and block_hash = $4::bytea
                    and not exists (select from chain_reversal r where r.event_seq = e.seq)),
        exists (select from chain_event e
                where network = $1 and transaction_hash = $2::bytea and block_hash <> $4::bytea
                    and not exists (select from chain_reversal r where r.event_seq = e.seq)))sql";
constexpr const char* kPosted = R"sql(
    select kind, amount, requested_at, withdraw_amount from chain_event e
    where seq = $1 and not exists (select from chain_reversal r where r.event_seq = e.seq)
    union all
    select 'opened', balance, 0, 0 from channel_opening o
    where seq = $1 and not exists (select from chain_reversal r where r.event_seq = o.seq))sql";
constexpr const char* kLegs = R"sql(
    select leg, asset_id, debit_kind, debit_owner, credit_kind, credit_owner, amount, cause
    from transfer where seq = $1 order by leg)sql";
/// Two blocks of one number, one posted of and one passed, are found near the cursor or nowhere:
/// events are posted ahead of it only up to the newest block.
constexpr const char* kNotPassed = R"sql(
    with standing as (
        select seq, network, block_number, block_hash, kind, channel_id from chain_event e
        where network = $1 and block_number >= greatest($2::bigint - 3999, $3::bigint)
            and not exists (select from chain_reversal r where r.event_seq = e.seq)
        union all
        select seq, network, block_number, block_hash, 'opened', channel_id
        from channel_opening o
        where network = $1 and block_number >= greatest($2::bigint - 3999, $3::bigint)
            and not exists (select from chain_reversal r where r.event_seq = o.seq))
    select seq, block_number, block_hash, kind, channel_id,
        case when kind <> 'opened'
             then (select min(asset_id) from transfer t where t.seq = s.seq) end as asset_id
    from standing s
    where block_number > $2::bigint
        or exists (select from chain_block b
                   where b.network = s.network and b.block_number = s.block_number
                       and b.block_hash <> s.block_hash)
    order by seq desc)sql";
constexpr const char* kInDoubt = R"sql(
    select channel_id from channel c
    where in_doubt and asset_id in (select asset_id from asset where network = $1)
    order by channel_id)sql";

PostedLeg leg_from(const pqxx::row& row) {
    return {row["leg"].as<std::int32_t>(), row["asset_id"].as<std::int32_t>(),
            row["debit_kind"].c_str(),     bytes_from(row["debit_owner"]),
            row["credit_kind"].c_str(),    bytes_from(row["credit_owner"]),
            amount_from(row["amount"]),    row["cause"].c_str()};
}

StandingEvent standing_from(const pqxx::row& row) {
    StandingEvent event{row["seq"].as<std::uint64_t>(),
                        {row["block_number"].as<std::uint64_t>(),
                         from_bytea<channel::BlockHash>(row["block_hash"])},
                        row["kind"].c_str(),
                        {},
                        {}};
    if (!row["channel_id"].is_null())
        event.channel = from_bytea<channel::ChannelId>(row["channel_id"]);
    if (!row["asset_id"].is_null()) event.asset_id = row["asset_id"].as<std::int32_t>();
    return event;
}

}  // namespace

std::vector<Standing> standing_of(pqxx::connection& connection,
                                  const std::vector<std::pair<channel::Network, ChainLog>>& logs) {
    std::vector<Standing> all;
    pqxx::work transaction(connection);
    for (const auto& [network, log] : logs) {
        const auto row = transaction.exec_params1(
            kStanding, channel::to_string(network), to_bytea(log.transaction),
            static_cast<std::int64_t>(log.log_index), to_bytea(log.block_hash));
        const auto kind = row[1].as<bool>()   ? Standing::posted
                          : row[2].as<bool>() ? Standing::elsewhere
                                              : Standing::fresh;
        all.push_back({kind, row[0].as<std::int32_t>()});
    }
    return all;
}

std::shared_ptr<const PostedEvent> read_posted(pqxx::connection& connection, std::uint64_t seq) {
    pqxx::work transaction(connection);
    const auto rows = transaction.exec_params(kPosted, seq);
    if (rows.empty()) return nullptr;
    auto event = std::make_shared<PostedEvent>(PostedEvent{seq,
                                                           rows[0][0].c_str(),
                                                           amount_from(rows[0][1]),
                                                           rows[0][2].as<std::uint64_t>(),
                                                           amount_from(rows[0][3]),
                                                           {}});
    for (const auto& row : transaction.exec_params(kLegs, seq))
        event->legs.push_back(leg_from(row));
    return event;
}

std::vector<StandingEvent> standing_not_passed(pqxx::transaction_base& transaction,
                                               channel::Network network, std::uint64_t block_number,
                                               std::uint64_t since) {
    std::vector<StandingEvent> events;
    for (const auto& row :
         transaction.exec_params(kNotPassed, channel::to_string(network), block_number, since))
        events.push_back(standing_from(row));
    return events;
}

std::vector<channel::ChannelId> channels_in_doubt(pqxx::transaction_base& transaction,
                                                  channel::Network network) {
    std::vector<channel::ChannelId> ids;
    for (const auto& row : transaction.exec_params(kInDoubt, channel::to_string(network)))
        ids.push_back(from_bytea<channel::ChannelId>(row[0]));
    return ids;
}

}  // namespace millrace::ledger
