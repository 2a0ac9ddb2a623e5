#include "ledger/settlement/facilitated.hpp"

#include "channel/hex.hpp"
#include "ledger/bytea.hpp"
#include "ledger/settlement/columns.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kInsert = R"sql(
    insert into facilitated (outbox_id, network, action, receiver, token, asked_as, at)
    values ($1, $2, $3, $4::bytea, $5::bytea, $6::bytea, $7::timestamptz))sql";
constexpr const char* kCost = R"sql(
    select coalesce(sum(cost), 0)::text as in_all,
        coalesce(sum(case when by_receiver then 0 else cost end), 0)::text as of_strangers,
        coalesce(sum(case when receiver = $3::bytea and by_receiver = $4::boolean
            then cost else 0 end), 0)::text as of_receiver
    from (select o.gas_limit * o.max_fee as cost, f.receiver,
            coalesce(f.asked_as = f.receiver, false) as by_receiver
        from facilitated f join outbox o on o.outbox_id = f.outbox_id
        where f.network = $1 and f.at > $2::timestamptz) asked)sql";
constexpr const char* kNewestSettlement = R"sql(
    select o.reference
    from facilitated f join outbox o on o.outbox_id = f.outbox_id
    where f.network = $1 and f.receiver = $2::bytea and f.token = $3::bytea
        and f.action = 'settle' and o.status <> 'failed' and o.updated_at > $4::timestamptz
    order by f.outbox_id desc limit 1)sql";
constexpr const char* kCharged = R"sql(
    select channel_id, charged from channel where channel_id = any ($1::bytea[]))sql";
constexpr const char* kNewestRefund = R"sql(
    select number from refund
    where channel_id = $1::bytea and reference is not null
        and ($2::bigint is null or refund_nonce = $2::bigint)
    order by number desc limit 1)sql";

/// As a parameter for a `bytea[]`, in Postgres's text form.
std::string to_bytea_array(std::span<const channel::ChannelId> channels) {
    std::string text = "{";
    for (const auto& id : channels) {
        if (text.size() > 1) text += ',';
        ((text += "\"\\") += to_bytea(id)) += '"';
    }
    return text + "}";
}

}  // namespace

std::string_view to_string(FacilitatedAction action) {
    switch (action) {
        case FacilitatedAction::deposit:
            return "deposit";
        case FacilitatedAction::claim:
            return "claim";
        case FacilitatedAction::settle:
            return "settle";
        case FacilitatedAction::refund:
            return "refund";
    }
    return "";
}

std::string facilitated_reference(FacilitatedAction action, const channel::Digest& asked) {
    return std::string(to_string(action)) + ":" + channel::to_hex(asked);
}

void record_facilitated(pqxx::transaction_base& transaction, std::int64_t outbox_id,
                        const Facilitated& facilitated, Time now) {
    std::optional<std::string> asked_as;
    if (facilitated.asked_as) asked_as = to_bytea(*facilitated.asked_as);
    transaction.exec_params0(kInsert, outbox_id, channel::to_string(facilitated.network),
                             std::string(to_string(facilitated.action)),
                             to_bytea(facilitated.receiver), to_bytea(facilitated.token), asked_as,
                             to_rfc3339(now));
}

FacilitatedCost facilitated_cost_since(pqxx::transaction_base& transaction, const Facilitated& what,
                                       Time since) {
    const auto row =
        transaction.exec_params1(kCost, channel::to_string(what.network), to_rfc3339(since),
                                 to_bytea(what.receiver), what.is_asked_by_receiver());
    const auto at_most = [&row](const char* column) {
        const auto cost = channel::parse_amount(row[column].c_str());
        return cost ? *cost : channel::Amount::max();
    };
    return {at_most("in_all"), at_most("of_strangers"), at_most("of_receiver")};
}

std::optional<std::string> newest_settlement(pqxx::transaction_base& transaction,
                                             channel::Network network,
                                             const channel::Address& receiver,
                                             const channel::Address& token, Time since) {
    const auto rows =
        transaction.exec_params(kNewestSettlement, channel::to_string(network), to_bytea(receiver),
                                to_bytea(token), to_rfc3339(since));
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

std::map<channel::ChannelId, channel::Amount> charged_of(
    pqxx::transaction_base& transaction, std::span<const channel::ChannelId> channels) {
    std::map<channel::ChannelId, channel::Amount> charged;
    for (const auto& row : transaction.exec_params(kCharged, to_bytea_array(channels)))
        charged.emplace(from_bytea<channel::ChannelId>(row[0]), amount_from(row[1]));
    return charged;
}

std::optional<RefundKey> newest_refund(pqxx::transaction_base& transaction,
                                       const channel::ChannelId& channel,
                                       std::optional<std::uint64_t> nonce) {
    const auto rows = transaction.exec_params(kNewestRefund, to_bytea(channel), nonce);
    if (rows.empty()) return std::nullopt;
    return RefundKey{channel, rows[0][0].as<std::uint64_t>()};
}

}  // namespace millrace::ledger
