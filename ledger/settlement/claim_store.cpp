#include "ledger/settlement/claim_store.hpp"

#include "channel/hex.hpp"
#include "ledger/bytea.hpp"
#include "ledger/settlement/columns.hpp"
#include "ledger/settlement/quarantine.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <stdexcept>

namespace millrace::ledger {
namespace {

constexpr const char* kInsertClaim = R"sql(
    insert into claim (claim_id, asset_id, receiver, status, channels, amount, created_at,
        updated_at)
    values ($1, $2, $3::bytea, 'queued', $4, $5::numeric, $6::timestamptz,
        $6::timestamptz))sql";
constexpr const char* kInsertRow = R"sql(
    insert into claim_row (claim_id, channel_id, max_claimable, signature, total_claimed,
        increment, outbox_id)
    select $1::text, $2::bytea, $3::numeric, $4::bytea, $5::numeric, $6::numeric, $7::bigint
    where not exists (
        select from claim_row r join claim m on m.claim_id = r.claim_id
        where r.channel_id = $2::bytea and m.status in ('queued', 'sent'))
        and exists (
            select from channel c
            where c.channel_id = $2::bytea and not c.in_doubt))sql";
constexpr const char* kOutboxLeft = R"sql(
    select count(*) filter (where status = 'queued'),
        count(*) filter (where status in ('queued', 'sent')),
        count(*) filter (where status = 'failed'),
        coalesce((array_agg(error order by nonce) filter (where status = 'failed'))[1], '')
    from outbox where purpose = 'claim' and reference = $1)sql";
constexpr const char* kMarkSentClaim = R"sql(
    update claim set status = 'sent', updated_at = $2::timestamptz
    where claim_id = $1 and status = 'queued')sql";
constexpr const char* kFinishClaim = R"sql(
    update claim set status = $2, amount = $3::numeric, error = nullif($4, ''),
        updated_at = $5::timestamptz
    where claim_id = $1 and status in ('queued', 'sent'))sql";
constexpr const char* kReopenClaim = R"sql(
    update claim set status = 'sent', error = null, updated_at = $2::timestamptz
    where claim_id = $1 and status in ('confirmed', 'failed'))sql";
constexpr const char* kReadClaim = R"sql(
    select claim_id, asset_id, receiver, status, channels, amount, coalesce(error, '') as error
    from claim where claim_id = $1)sql";
constexpr const char* kClaimsOf = R"sql(
    select claim_id from claim
    where receiver = $1::bytea and ($2 = '' or (created_at, claim_id) < (
        select created_at, claim_id from claim where claim_id = $2))
    order by created_at desc, claim_id desc
    limit $3)sql";
constexpr const char* kChannelsOf = "select channel_id from claim_row where claim_id = $1";
constexpr const char* kTransactions = R"sql(
    select hash from outbox where purpose = 'claim' and reference = $1 order by nonce)sql";

ClaimStatus status_from(const pqxx::field& field) {
    for (const auto status :
         {ClaimStatus::queued, ClaimStatus::sent, ClaimStatus::confirmed, ClaimStatus::failed})
        if (to_string(status) == field.c_str()) return status;
    throw std::runtime_error("unknown claim status in the database");
}

std::string event_data(const ClaimRecord& claim, const Asset& asset) {
    std::string transactions;
    for (const auto& hash : claim.transactions) {
        transactions +=
            fmt::format("{}\"{}\"", transactions.empty() ? "" : ",", channel::to_hex(hash));
    }
    const auto error =
        claim.error.empty() ? "null" : boost::json::serialize(boost::json::string(claim.error));
    return fmt::format(
        R"({{"name":"{0}","claimId":"{1}","status":"{0}","network":"{2}","token":"{3}",)"
        R"("receiver":"{4}","transactions":[{5}],"channels":{6},"amount":"{7}","error":{8}}})",
        to_string(claim.status), claim.claim_id, channel::to_string(asset.network),
        channel::to_hex(asset.token), channel::to_hex(claim.receiver), transactions, claim.channels,
        channel::to_string(claim.amount), error);
}

SettlementEvent tell(pqxx::transaction_base& transaction, std::uint64_t seq,
                     const ClaimRecord& claim, const Asset& asset, Time now) {
    SettlementEvent event{seq, std::string(to_string(claim.status)), claim.receiver,
                          event_data(claim, asset)};
    write_event(transaction, event, asset, now);
    return event;
}

void write_row(pqxx::transaction_base& transaction, const std::string& claim_id,
               const PlannedRow& row, std::int64_t outbox_id) {
    const auto written = transaction.exec_params(
        kInsertRow, claim_id, to_bytea(row.id), channel::to_string(row.claim.max_claimable),
        to_bytea(row.claim.signature.view()), channel::to_string(row.claim.total_claimed),
        channel::to_string(row.increment), outbox_id);
    if (written.affected_rows() != 1)
        throw ClaimInTheWay("a channel is in another claim that is on its way, or in doubt");
    release_unless_reverted(transaction, row.id);
}

void write_rows(pqxx::transaction_base& transaction, const NewClaim& claim,
                const std::vector<OutboxEntry>& transactions) {
    auto rows = claim.rows;
    for (std::size_t at = 0; at < claim.batches.size(); ++at) {
        const auto size = claim.batches[at];
        for (const auto& row : rows.first(size))
            write_row(transaction, claim.claim_id, row, transactions.at(at).id);
        rows = rows.subspan(size);
    }
    if (!rows.empty()) throw std::logic_error("a row of the claim is in none of its transactions");
}

SettlementEvent event_of(pqxx::transaction_base& transaction, const std::string& claim_id,
                         const Assets& assets, Time now) {
    const auto claim = read_claim(transaction, claim_id);
    if (!claim) throw std::runtime_error("the claim of an outbox entry is missing");
    return tell(transaction, take_seq(transaction), *claim, assets.at(claim->asset_id), now);
}

}  // namespace

std::string_view to_string(ClaimStatus status) {
    switch (status) {
        case ClaimStatus::queued:
            return "queued";
        case ClaimStatus::sent:
            return "sent";
        case ClaimStatus::confirmed:
            return "confirmed";
        case ClaimStatus::failed:
            return "failed";
    }
    return "";
}

RecordedClaim record_claim(pqxx::transaction_base& transaction, const NewClaim& claim,
                           std::vector<OutboxEntry> transactions, Time now) {
    // First, because it makes every other writer wait: the check of the rows holds until commit.
    const auto seq = take_seq(transaction);
    RecordedClaim recorded;
    recorded.record = {claim.claim_id,
                       claim.asset.id,
                       claim.receiver,
                       ClaimStatus::queued,
                       claim.rows.size(),
                       claim.amount,
                       {},
                       {}};
    transaction.exec_params0(kInsertClaim, claim.claim_id, claim.asset.id, to_bytea(claim.receiver),
                             claim.rows.size(), channel::to_string(claim.amount), to_rfc3339(now));
    recorded.outbox = enqueue(transaction, std::move(transactions), now);
    write_rows(transaction, claim, recorded.outbox);
    for (const auto& entry : recorded.outbox) recorded.record.transactions.push_back(entry.hash);
    recorded.event = tell(transaction, seq, recorded.record, claim.asset, now);
    return recorded;
}

std::optional<SettlementEvent> claim_sent(pqxx::transaction_base& transaction,
                                          const std::string& claim_id, const Assets& assets,
                                          Time now) {
    const auto left = transaction.exec_params1(kOutboxLeft, claim_id);
    if (left[0].as<std::int64_t>() != 0) return std::nullopt;
    const auto changed = transaction.exec_params(kMarkSentClaim, claim_id, to_rfc3339(now));
    if (changed.affected_rows() == 0) return std::nullopt;
    return event_of(transaction, claim_id, assets, now);
}

std::optional<SettlementEvent> claim_finished(pqxx::transaction_base& transaction,
                                              const std::string& claim_id, channel::Amount swept,
                                              const Assets& assets, Time now) {
    const auto left = transaction.exec_params1(kOutboxLeft, claim_id);
    if (left[1].as<std::int64_t>() != 0) return std::nullopt;
    const auto status =
        left[2].as<std::int64_t>() == 0 ? ClaimStatus::confirmed : ClaimStatus::failed;
    const auto changed = transaction.exec_params(
        kFinishClaim, claim_id, std::string(to_string(status)), channel::to_string(swept),
        std::string(left[3].c_str()), to_rfc3339(now));
    if (changed.affected_rows() == 0) return std::nullopt;
    release_claimed(transaction, claim_id);
    quarantine_reverted(transaction, claim_id, now);
    return event_of(transaction, claim_id, assets, now);
}

std::optional<SettlementEvent> claim_reopened(pqxx::transaction_base& transaction,
                                              const std::string& claim_id, const Assets& assets,
                                              Time now) {
    const auto changed = transaction.exec_params(kReopenClaim, claim_id, to_rfc3339(now));
    if (changed.affected_rows() == 0) return std::nullopt;
    return event_of(transaction, claim_id, assets, now);
}

std::optional<ClaimRecord> read_claim(pqxx::transaction_base& transaction,
                                      const std::string& claim_id) {
    const auto rows = transaction.exec_params(kReadClaim, claim_id);
    if (rows.empty()) return std::nullopt;
    const auto row = rows[0];
    ClaimRecord claim{
        .claim_id = row["claim_id"].c_str(),
        .asset_id = row["asset_id"].as<std::int32_t>(),
        .receiver = from_bytea<channel::Address>(row["receiver"]),
        .status = status_from(row["status"]),
        .channels = row["channels"].as<std::size_t>(),
        .amount = amount_from(row["amount"]),
        .error = row["error"].c_str(),
        .transactions = {},
    };
    for (const auto& hash : transaction.exec_params(kTransactions, claim_id))
        claim.transactions.push_back(from_bytea<channel::TransactionHash>(hash[0]));
    return claim;
}

std::vector<ClaimRecord> list_claims(pqxx::transaction_base& transaction,
                                     const channel::Address& receiver, const std::string& after,
                                     std::size_t limit) {
    std::vector<ClaimRecord> claims;
    for (const auto& row : transaction.exec_params(kClaimsOf, to_bytea(receiver), after, limit))
        claims.push_back(*read_claim(transaction, row[0].c_str()));
    return claims;
}

std::vector<channel::ChannelId> claimed_channels(pqxx::transaction_base& transaction,
                                                 const std::string& claim_id) {
    std::vector<channel::ChannelId> ids;
    for (const auto& row : transaction.exec_params(kChannelsOf, claim_id))
        ids.push_back(from_bytea<channel::ChannelId>(row[0]));
    return ids;
}

}  // namespace millrace::ledger
