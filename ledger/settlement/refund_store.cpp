#include "ledger/settlement/refund_store.hpp"

#include "channel/hex.hpp"
#include "ledger/bytea.hpp"
#include "ledger/settlement/columns.hpp"
#include "ledger/settlement/pause.hpp"

#include <chrono>

namespace millrace::ledger {
namespace {

constexpr std::chrono::seconds kPause{60};
constexpr std::chrono::seconds kPauseMax = std::chrono::hours{6};

constexpr const char* kInsertSent = R"sql(
    insert into refund (channel_id, number, amount, asked, voucher_max, signature, refund_nonce,
        reference, at)
    values ($1::bytea, $2, $3::numeric, $4::numeric, $5::numeric, $6::bytea, $7, $8,
        $9::timestamptz)
    on conflict (channel_id, number) do nothing)sql";
constexpr const char* kInsertGivenUp = R"sql(
    insert into refund (channel_id, number, amount, refund_nonce, error, at)
    values ($1::bytea, $2, $3::numeric, $4, $5, $6::timestamptz)
    on conflict (channel_id, number) do nothing)sql";
constexpr const char* kIsGivenUp = R"sql(
    select reference is null from refund where channel_id = $1::bytea and number = $2)sql";
constexpr const char* kFind = R"sql(
    select r.amount, r.asked, r.voucher_max, o.hash
    from refund r join outbox o on o.purpose = 'refund' and o.reference = r.reference
    where r.channel_id = $1::bytea and r.number = $2
    order by o.outbox_id desc limit 1)sql";
// While any refund of the channel is on its way, what is held may be for that one.
constexpr const char* kStranded = R"sql(
    select c.channel_id, c.refunds_begun, c.refunding, c.refund_nonce,
        r.number is not null as is_written_down, s.number, s.amount,
        s.refund_nonce as signed_nonce, t.reverted, t.last_reverted_at
    from channel c
    join asset a on a.asset_id = c.asset_id
    left join refund r on r.channel_id = c.channel_id and r.number = c.refunds_begun
    left join lateral (
        select number, amount, refund_nonce, reference from refund
        where channel_id = c.channel_id and reference is not null
        order by refund_nonce desc, number desc limit 1) s on true
    left join lateral (
        select count(*) as reverted,
            coalesce(extract(epoch from max(updated_at)), 0)::bigint as last_reverted_at
        from outbox
        where purpose = 'refund' and reference = s.reference and status = 'failed'
            and block_number > 0) t on true
    where c.refunding > 0 and a.network = $1
        and not exists (
            select from refund any_of join outbox o
                on o.purpose = 'refund' and o.reference = any_of.reference
            where any_of.channel_id = c.channel_id and o.status in ('queued', 'sent')))sql";

std::optional<std::string> text_of(const std::optional<channel::Amount>& amount) {
    if (!amount) return std::nullopt;
    return channel::to_string(*amount);
}

}  // namespace

std::string refund_reference(const RefundKey& key) {
    return channel::to_hex(key.channel) + ":" + std::to_string(key.number);
}

std::vector<OutboxEntry> record_refund(pqxx::transaction_base& transaction, const NewRefund& refund,
                                       std::vector<OutboxEntry> transactions, Time now) {
    const auto& voucher = refund.asked.voucher;
    const auto written = transaction.exec_params(
        kInsertSent, to_bytea(refund.key.channel), refund.key.number,
        channel::to_string(refund.amount), text_of(refund.asked.amount),
        channel::to_string(voucher.max_claimable), to_bytea(voucher.signature.view()),
        refund.asked.refund_nonce, refund_reference(refund.key), to_rfc3339(now));
    if (written.affected_rows() == 0) return {};
    return enqueue(transaction, std::move(transactions), now);
}

bool give_up_refund(pqxx::transaction_base& transaction, const RefundKey& key,
                    channel::Amount amount, std::uint64_t refund_nonce, const std::string& error,
                    Time now) {
    transaction.exec_params0(kInsertGivenUp, to_bytea(key.channel), key.number,
                             channel::to_string(amount), refund_nonce, error, to_rfc3339(now));
    return transaction.exec_params1(kIsGivenUp, to_bytea(key.channel), key.number)[0].as<bool>();
}

std::optional<SentRefund> find_refund(pqxx::transaction_base& transaction, const RefundKey& key) {
    const auto rows = transaction.exec_params(kFind, to_bytea(key.channel), key.number);
    if (rows.empty()) return std::nullopt;
    const auto row = rows[0];
    SentRefund refund{amount_from(row["amount"]),
                      {},
                      amount_from(row["voucher_max"]),
                      from_bytea<channel::TransactionHash>(row["hash"])};
    if (!row["asked"].is_null()) refund.asked = amount_from(row["asked"]);
    return refund;
}

Time next_attempt(const StrandedRefund::Signed& refund) {
    if (refund.reverted < 2) return refund.last_reverted_at;
    return refund.last_reverted_at + pause_after(refund.reverted - 1, kPause, kPauseMax);
}

std::vector<StrandedRefund> stranded_refunds(pqxx::transaction_base& transaction,
                                             channel::Network network) {
    std::vector<StrandedRefund> stranded;
    for (const auto& row : transaction.exec_params(kStranded, channel::to_string(network))) {
        const auto id = from_bytea<channel::ChannelId>(row["channel_id"]);
        stranded.push_back({{id, row["refunds_begun"].as<std::uint64_t>()},
                            amount_from(row["refunding"]),
                            row["refund_nonce"].as<std::uint64_t>(),
                            row["is_written_down"].as<bool>(),
                            std::nullopt});
        if (row["signed_nonce"].is_null()) continue;
        stranded.back().last_signed = {
            {id, row["number"].as<std::uint64_t>()},
            amount_from(row["amount"]),
            row["signed_nonce"].as<std::uint64_t>(),
            row["reverted"].as<unsigned>(),
            Time{std::chrono::seconds{row["last_reverted_at"].as<std::int64_t>()}}};
    }
    return stranded;
}

}  // namespace millrace::ledger
