#include "ledger/payment_totals_reader.hpp"

#include "ledger/bytea.hpp"
#include "ledger/settlement/columns.hpp"

#include <array>
#include <stdexcept>

namespace millrace::ledger {
namespace {

constexpr const char* kTotals = R"sql(
    select payment.kind, count(*), sum(payment.increment),
           floor(extract(epoch from min(payment.at)) * 1000000)::bigint,
           floor(extract(epoch from max(payment.at)) * 1000000)::bigint
    from payment
    join channel on channel.channel_id = payment.channel_id
        and date_trunc('month', channel.opened_at at time zone 'UTC')::date = payment.channel_month
    where channel.receiver = $1
    group by payment.kind
    order by payment.kind)sql";

PaymentKind kind_of(std::string_view text) {
    for (const auto kind :
         {PaymentKind::pay, PaymentKind::authorize, PaymentKind::charge, PaymentKind::release}) {
        if (to_string(kind) == text) return kind;
    }
    throw std::runtime_error("unknown kind of payment");
}

Time time_from(const pqxx::field& field) {
    return Time{std::chrono::microseconds{field.as<std::int64_t>()}};
}

}  // namespace

std::vector<PaymentTotals> read_payment_totals(Snapshot& snapshot,
                                               const channel::Address& receiver) {
    std::vector<PaymentTotals> totals;
    for (const auto& row : snapshot.reading().exec_params(kTotals, to_bytea(receiver))) {
        totals.push_back({kind_of(row[0].c_str()), row[1].as<std::uint64_t>(), amount_from(row[2]),
                          time_from(row[3]), time_from(row[4])});
    }
    return totals;
}

}  // namespace millrace::ledger
