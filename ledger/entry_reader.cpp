#include "ledger/entry_reader.hpp"

#include "ledger/bytea.hpp"
#include "ledger/row_values.hpp"

#include <fmt/format.h>

namespace millrace::ledger {
namespace {

constexpr const char* kEntries = R"sql(
    select t.seq, t.leg, t.first_seq, t.debit_kind, t.debit_owner, t.credit_kind, t.credit_owner,
           t.amount, t.cause, coalesce(t.reverses_seq || ':' || t.reverses_leg, '') as reverses,
           {} as at, s.network, s.token, e.network as chain, e.transaction_hash, e.log_index,
           e.block_number, e.block_hash, e.kind, o.network as opened_on, o.channel_id,
           o.block_number as opened_at, o.block_hash as opened_in, o.balance, o.total_claimed
    from transfer t
    join asset s on s.asset_id = t.asset_id
    left join lateral (
        select * from chain_event c where c.seq = t.seq order by network, transaction_hash limit 1
    ) e on true
    left join channel_opening o on o.seq = t.seq
    where t.seq in (select seq from transfer where seq >= $1 group by seq order by seq limit $2)
    order by t.seq, t.leg)sql";
constexpr const char* kPayments = R"sql(
    select seq, inference_id, increment from payment
    where channel_id = $1::bytea and seq between $2 and $3 and increment > 0
        and channel_month = (select date_trunc('month', opened_at at time zone 'UTC')::date
                             from channel where channel_id = $1::bytea)
    order by seq
    limit $4)sql";

AccountId account(const pqxx::row& row, const char* kind, const char* owner) {
    return {network_column(row["network"]), from_bytea<channel::Address>(row["token"]),
            row[kind].c_str(), bytes_column(row[owner])};
}

ChainCause chain_from(const pqxx::row& row) {
    return {network_column(row["chain"]),
            from_bytea<channel::TransactionHash>(row["transaction_hash"]),
            row["log_index"].as<std::uint32_t>(),
            row["block_number"].as<std::uint64_t>(),
            from_bytea<channel::BlockHash>(row["block_hash"]),
            row["kind"].c_str()};
}

OpeningCause opening_from(const pqxx::row& row) {
    return {network_column(row["opened_on"]),     from_bytea<channel::ChannelId>(row["channel_id"]),
            row["opened_at"].as<std::uint64_t>(), from_bytea<channel::BlockHash>(row["opened_in"]),
            amount_column(row["balance"]),        amount_column(row["total_claimed"])};
}

Posting posting_from(const pqxx::row& row) {
    return {row["leg"].as<std::int32_t>(),
            account(row, "debit_kind", "debit_owner"),
            account(row, "credit_kind", "credit_owner"),
            amount_column(row["amount"]),
            row["cause"].c_str(),
            row["reverses"].c_str()};
}

std::vector<Entry> read_entries(Snapshot& snapshot, std::uint64_t first, std::size_t limit) {
    std::vector<Entry> entries;
    const auto statement = fmt::format(fmt::runtime(kEntries), rfc3339_of("t.at"));
    for (const auto& row : snapshot.reading().exec_params(statement, first, limit)) {
        const auto seq = row["seq"].as<std::uint64_t>();
        if (entries.empty() || entries.back().seq != seq) {
            Entry entry;
            entry.seq = seq;
            entry.first_seq = row["first_seq"].as<std::uint64_t>();
            entry.at = row["at"].c_str();
            if (!row["chain"].is_null()) entry.chain = chain_from(row);
            if (!row["opened_on"].is_null()) entry.opening = opening_from(row);
            entries.push_back(std::move(entry));
        }
        entries.back().postings.push_back(posting_from(row));
    }
    return entries;
}

void read_payments(Snapshot& snapshot, Entry& entry, std::size_t payments_max) {
    for (const auto& posting : entry.postings) {
        if (posting.cause != "payment") continue;
        channel::ChannelId id;
        std::copy(posting.debit.owner.begin(), posting.debit.owner.end(), id.bytes.begin());
        // One more than is shown tells whether that is all.
        for (const auto& row : snapshot.reading().exec_params(
                 kPayments, to_bytea(id), entry.first_seq, entry.seq, payments_max + 1)) {
            entry.more_payments = entry.payments.size() == payments_max;
            if (entry.more_payments) return;
            entry.payments.push_back(
                {row[0].as<std::uint64_t>(), id, row[1].c_str(), amount_column(row[2])});
        }
    }
}

}  // namespace

std::vector<Entry> list_entries(Snapshot& snapshot, std::uint64_t after_seq, std::size_t limit) {
    return read_entries(snapshot, after_seq + 1, limit);
}

std::optional<Entry> read_entry(Snapshot& snapshot, std::uint64_t seq, std::size_t payments_max) {
    auto entries = read_entries(snapshot, seq, 1);
    if (entries.empty() || entries.front().seq != seq) return std::nullopt;
    read_payments(snapshot, entries.front(), payments_max);
    return std::move(entries.front());
}

}  // namespace millrace::ledger
