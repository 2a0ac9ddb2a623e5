#include "ledger/payment_history.hpp"

#include "ledger/bytea.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kHistoryName = "payment_history";
constexpr const char* kHistory = R"sql(
    select p.channel_id, p.inference_id, p.kind, p.step, p.content, p.seq, p.amount, p.charged,
           p.reserved, p.signed_max, p.balance, p.detail
    from unnest($1::bytea[], $2::text[]) as k(channel_id, inference_id)
    join channel c on c.channel_id = k.channel_id
    join payment p on p.channel_id = k.channel_id and p.inference_id = k.inference_id
        and p.channel_month = date_trunc('month', c.opened_at at time zone 'UTC')::date
    order by p.channel_id, p.inference_id, p.step)sql";
PaymentKind kind_of(std::string_view text) {
    for (const auto kind :
         {PaymentKind::pay, PaymentKind::authorize, PaymentKind::charge, PaymentKind::release})
        if (to_string(kind) == text) return kind;
    throw std::runtime_error("unknown payment kind in the database");
}

channel::Amount amount_of(const pqxx::field& field) {
    const auto amount = channel::parse_amount(field.c_str());
    if (!amount) throw std::runtime_error(std::string("malformed amount in ") + field.name());
    return *amount;
}

RecordedStep step_from_row(const pqxx::row& row, const InferenceKey& key) {
    RecordedStep step{kind_of(row[2].c_str()),
                      row[3].as<std::int32_t>(),
                      from_bytea<ContentHash>(row[4]),
                      {},
                      row[11].c_str()};
    step.result = {row[5].as<std::uint64_t>(), key.first,         key.second,
                   amount_of(row[6]),          amount_of(row[7]), amount_of(row[8]),
                   amount_of(row[9]),          amount_of(row[10])};
    return step;
}

}  // namespace

PaymentHistory read_history(pqxx::connection& connection, const std::vector<InferenceKey>& keys) {
    PaymentHistory history;
    if (keys.empty()) return history;
    std::string channels = "{";
    std::string inferences = "{";
    for (const auto& [channel, inference] : keys) {
        const char* separator = channels.size() > 1 ? "," : "";
        // An inference id has no character that an array literal would have to escape.
        channels += separator + ("\"\\" + to_bytea(channel) + "\"");
        inferences += separator + ("\"" + inference.text() + "\"");
    }
    // Prepared, because to plan it over all partitions takes longer than to run it.
    connection.prepare(kHistoryName, kHistory);
    pqxx::work transaction(connection);
    for (const auto& row :
         transaction.exec_prepared(kHistoryName, channels + "}", inferences + "}")) {
        InferenceKey key{from_bytea<channel::ChannelId>(row[0]),
                         *channel::InferenceId::parse(row[1].c_str())};
        auto& steps = history[key];
        auto step = step_from_row(row, key);
        if (steps.empty() || steps.back().step != step.step) steps.push_back(std::move(step));
    }
    return history;
}

}  // namespace millrace::ledger
