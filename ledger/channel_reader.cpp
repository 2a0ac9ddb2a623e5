#include "ledger/channel_reader.hpp"

#include "ledger/bytea.hpp"
#include "ledger/channel_store.hpp"
#include "ledger/row_values.hpp"
#include "ledger/snapshot.hpp"

#include <fmt/format.h>

namespace millrace::ledger {
namespace {

// A channel without a seq was never opened: its row waits for the batch that opens it.
constexpr const char* kChannel = R"sql(
    select (select token from asset a where a.asset_id = c.asset_id) as token, {}
    from channel c
    where channel_id = $1::bytea and seq > 0)sql";
constexpr const char* kAllChannels = R"sql(
    select (select token from asset a where a.asset_id = c.asset_id) as token, {}
    from channel c
    where channel_id > $1::bytea and seq > 0
    order by channel_id
    limit $2)sql";
// One index for each of the four ways to be a party.
constexpr const char* kChannelsOf = R"sql(
    select (select token from asset a where a.asset_id = c.asset_id) as token, {}
    from channel c
    where channel_id in (
        (select channel_id from channel where payer = $3::bytea and channel_id > $1::bytea
             and seq > 0 order by channel_id limit $2)
        union
        (select channel_id from channel where payer_authorizer = $3::bytea
             and channel_id > $1::bytea and seq > 0 order by channel_id limit $2)
        union
        (select channel_id from channel where receiver = $3::bytea and channel_id > $1::bytea
             and seq > 0 order by channel_id limit $2)
        union
        (select channel_id from channel where receiver_authorizer = $3::bytea
             and channel_id > $1::bytea and seq > 0 order by channel_id limit $2))
    order by channel_id
    limit $2)sql";
// A reservation is as old as the payment that made it.
constexpr const char* kReservations = R"sql(
    select r.inference_id, r.max_amount, r.charged, r.steps
    from reservation r
    join payment p on p.channel_id = r.channel_id and p.inference_id = r.inference_id
        and p.step = 0
        and p.channel_month = (select date_trunc('month', opened_at at time zone 'UTC')::date
                               from channel where channel_id = $1::bytea)
    where r.channel_id = $1::bytea
    order by p.seq)sql";
constexpr const char* kPayments = R"sql(
    select seq, inference_id, kind, amount, increment, charged, reserved, signed_max, balance,
           voucher_max, signature, covered_by, detail, {} as at
    from payment
    where channel_id = $1::bytea and seq > $2
        and channel_month = (select date_trunc('month', opened_at at time zone 'UTC')::date
                             from channel where channel_id = $1::bytea)
    order by seq
    limit $3)sql";

std::string with_columns(const char* statement) {
    return fmt::format(fmt::runtime(statement), kChannelColumns);
}

ChannelRecord record_from(const pqxx::row& row) {
    const auto stored = channel_from_row(row);
    ChannelRecord record{*stored.terms, stored.state, stored.seq};
    record.terms.config.token = from_bytea<channel::Address>(row["token"]);
    return record;
}

OpenReservation reservation_from(const pqxx::row& row) {
    const auto inference = channel::InferenceId::parse(row["inference_id"].c_str());
    if (!inference) throw std::runtime_error("malformed inference id in the database");
    return {*inference,
            {amount_column(row["max_amount"]), amount_column(row["charged"]),
             row["steps"].as<std::uint32_t>()}};
}

PaymentRecord payment_from(const pqxx::row& row, const channel::ChannelId& id) {
    PaymentRecord payment{payment_kind_column(row["kind"]),
                          payment_result(row, id),
                          amount_column(row["increment"]),
                          {},
                          {},
                          {},
                          row["detail"].c_str(),
                          row["at"].c_str()};
    if (!row["voucher_max"].is_null()) payment.voucher_max = amount_column(row["voucher_max"]);
    if (!row["signature"].is_null()) payment.signature = signature_from_bytea(row["signature"]);
    if (!row["covered_by"].is_null()) payment.covered_by = row["covered_by"].as<std::uint64_t>();
    return payment;
}

}  // namespace

std::optional<ChannelRecord> read_channel(pqxx::connection& connection,
                                          const channel::ChannelId& id) {
    Snapshot snapshot(connection);
    const auto rows = snapshot.reading().exec_params(with_columns(kChannel), to_bytea(id));
    if (rows.empty()) return std::nullopt;
    auto record = record_from(rows[0]);
    for (const auto& row : snapshot.reading().exec_params(kReservations, to_bytea(id))) {
        const auto open = reservation_from(row);
        record.state.reservations.emplace(open.inference, open.reservation);
        record.reservations.push_back(open);
    }
    return record;
}

std::vector<ChannelRecord> list_channels(pqxx::connection& connection, const ChannelQuery& query) {
    Snapshot snapshot(connection);
    // Nothing comes before the empty string.
    const auto after = query.after ? to_bytea(*query.after) : std::string("\\x");
    const auto rows =
        query.address
            ? snapshot.reading().exec_params(with_columns(kChannelsOf), after, query.limit,
                                             to_bytea(*query.address))
            : snapshot.reading().exec_params(with_columns(kAllChannels), after, query.limit);
    std::vector<ChannelRecord> channels;
    for (const auto& row : rows) channels.push_back(record_from(row));
    return channels;
}

std::vector<PaymentRecord> read_payments(pqxx::connection& connection, const channel::ChannelId& id,
                                         std::uint64_t after_seq, std::size_t limit) {
    Snapshot snapshot(connection);
    const auto rows = snapshot.reading().exec_params(
        fmt::format(fmt::runtime(kPayments), rfc3339_of("at")), to_bytea(id), after_seq, limit);
    std::vector<PaymentRecord> payments;
    for (const auto& row : rows) payments.push_back(payment_from(row, id));
    return payments;
}

}  // namespace millrace::ledger
