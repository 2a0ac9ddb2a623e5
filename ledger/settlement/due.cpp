#include "ledger/settlement/due.hpp"

#include "ledger/bytea.hpp"
#include "ledger/settlement/columns.hpp"
#include "ledger/settlement/quarantine.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

constexpr const char* kDueChannels = R"sql(
    select channel_id, payer, payer_authorizer, receiver, receiver_authorizer,
        withdraw_delay_seconds, salt, balance, charged, signed_max, signature, total_claimed,
        voucher_signer,
        case when status = 'closing' then withdraw_requested_at + withdraw_delay_seconds end
            as deadline,
        coalesce((select (select count(*) from claim_row b where b.outbox_id = r.outbox_id)
            from claim_row r join outbox o on o.outbox_id = r.outbox_id
            where r.channel_id = c.channel_id and r.total_claimed > c.total_claimed
                and o.status = 'failed' and o.block_number > 0
            order by r.outbox_id desc limit 1), 0) as reverted_rows
    from channel c
    where receiver = $1::bytea and asset_id = $2 and receiver_authorizer = $3::bytea
        and charged > total_claimed and signature is not null and not in_doubt
        and (refunding = 0 or status = 'closing'
            or (exists (
                    select from refund f
                    where f.channel_id = c.channel_id and f.number = c.refunds_begun)
                and not exists (
                    select from refund f join outbox o
                        on o.purpose = 'refund' and o.reference = f.reference
                    where f.channel_id = c.channel_id and o.status in ('queued', 'sent'))))
        and not exists (
            select from claim_row r join claim m on m.claim_id = r.claim_id
            where r.channel_id = c.channel_id and m.status in ('queued', 'sent'))
        and not exists (
            select from claim_quarantine q
            where q.channel_id = c.channel_id and q.retry_at > $4::timestamptz
                and (c.status <> 'closing' or q.retry_at <= $5::timestamptz)
                and q.total_claimed = c.total_claimed
                and (q.reason = 'reverted'
                    or (q.balance = c.balance and q.signature = c.signature)))
    order by channel_id)sql";
constexpr const char* kUnfinishedClaim = R"sql(
    select exists (select from claim
        where receiver = $1::bytea and asset_id = $2 and status in ('queued', 'sent')))sql";
constexpr const char* kDueReceivers = R"sql(
    select owner from account a
    where asset_id = $1 and kind in ('earned', 'claimed')
        and not exists (select from claim m
            where m.receiver = a.owner and m.asset_id = a.asset_id
                and m.status in ('queued', 'sent'))
    group by owner
    having sum(credits - debits) >= $2::numeric
    order by owner)sql";
constexpr const char* kUnswept = R"sql(
    select exists (select from account
        where asset_id = $1 and kind = 'claimed' and owner = $2::bytea and credits > debits))sql";
constexpr const char* kClosing = R"sql(
    select c.asset_id, c.receiver
    from channel c join asset a on a.asset_id = c.asset_id
    where c.status = 'closing' and c.charged > c.total_claimed and a.network = $1
        and c.receiver_authorizer = $2::bytea
    group by c.asset_id, c.receiver
    order by min(c.withdraw_requested_at + c.withdraw_delay_seconds))sql";
constexpr const char* kDeadlineBehind = R"sql(
    select min(withdraw_requested_at + withdraw_delay_seconds)
    from outbox o
    join claim_row r on r.claim_id = o.reference
    join channel c on c.channel_id = r.channel_id
    where o.network = $1 and o.signer = $2::bytea and o.nonce >= $3 and o.purpose = 'claim'
        and o.status in ('queued', 'sent') and c.status = 'closing')sql";

std::optional<std::uint64_t> seconds_from(const pqxx::field& field) {
    if (field.is_null()) return std::nullopt;
    return field.as<std::uint64_t>();
}

DueChannel due_from(const pqxx::row& row, const Asset& asset) {
    return {
        .id = from_bytea<channel::ChannelId>(row["channel_id"]),
        .config =
            {
                .payer = from_bytea<channel::Address>(row["payer"]),
                .payer_authorizer = from_bytea<channel::Address>(row["payer_authorizer"]),
                .receiver = from_bytea<channel::Address>(row["receiver"]),
                .receiver_authorizer = from_bytea<channel::Address>(row["receiver_authorizer"]),
                .token = asset.token,
                .withdraw_delay_seconds = row["withdraw_delay_seconds"].as<std::uint64_t>(),
                .salt = from_bytea<channel::Salt>(row["salt"]),
            },
        .balance = amount_from(row["balance"]),
        .charged = amount_from(row["charged"]),
        .total_claimed = amount_from(row["total_claimed"]),
        .signed_max = amount_from(row["signed_max"]),
        .signature = signature_from_bytea(row["signature"]),
        .voucher_signer = std::string_view(row["voucher_signer"].c_str()) == "contract"
                              ? channel::VoucherSigner::contract
                              : channel::VoucherSigner::key,
        .deadline = seconds_from(row["deadline"]),
        .reverted_rows = row["reverted_rows"].as<std::size_t>(),
    };
}

}  // namespace

std::vector<DueChannel> due_channels(pqxx::transaction_base& transaction, const Asset& asset,
                                     const channel::Address& receiver,
                                     const channel::Address& authorizer, Time now) {
    std::vector<DueChannel> due;
    for (const auto& row :
         transaction.exec_params(kDueChannels, to_bytea(receiver), asset.id, to_bytea(authorizer),
                                 to_rfc3339(now), to_rfc3339(now + quarantine_pause(1))))
        due.push_back(due_from(row, asset));
    return due;
}

bool has_unfinished_claim(pqxx::transaction_base& transaction, std::int32_t asset_id,
                          const channel::Address& receiver) {
    return transaction.exec_params1(kUnfinishedClaim, to_bytea(receiver), asset_id)[0].as<bool>();
}

bool has_unswept(pqxx::transaction_base& transaction, std::int32_t asset_id,
                 const channel::Address& receiver) {
    return transaction.exec_params1(kUnswept, asset_id, to_bytea(receiver))[0].as<bool>();
}

std::vector<channel::Address> due_receivers(pqxx::transaction_base& transaction,
                                            std::int32_t asset_id, channel::Amount amount_min) {
    std::vector<channel::Address> receivers;
    const auto least = std::max(amount_min, channel::Amount{1});
    for (const auto& row :
         transaction.exec_params(kDueReceivers, asset_id, channel::to_string(least)))
        receivers.push_back(from_bytea<channel::Address>(row[0]));
    return receivers;
}

std::vector<ClosingReceiver> closing_receivers(pqxx::transaction_base& transaction,
                                               channel::Network network,
                                               const channel::Address& authorizer) {
    std::vector<ClosingReceiver> closing;
    for (const auto& row :
         transaction.exec_params(kClosing, channel::to_string(network), to_bytea(authorizer)))
        closing.push_back({row[0].as<std::int32_t>(), from_bytea<channel::Address>(row[1])});
    return closing;
}

std::optional<std::uint64_t> deadline_behind(pqxx::transaction_base& transaction,
                                             const OutboxEntry& entry) {
    return seconds_from(transaction.exec_params1(kDeadlineBehind, channel::to_string(entry.network),
                                                 to_bytea(entry.signer), entry.nonce)[0]);
}

}  // namespace millrace::ledger
