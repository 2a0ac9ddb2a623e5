#include "ledger/settlement/settlement_event.hpp"

#include "ledger/bytea.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kTakeSeq =
    "update commit_sequence set last_seq = last_seq + 1 where id = 1 returning last_seq";
constexpr const char* kInsertEvent = R"sql(
    insert into event (seq, topic, name, asset_id, receiver, data, at)
    values ($1, 'settlement', $2, $3, $4::bytea, $5, $6::timestamptz))sql";

}  // namespace

std::uint64_t take_seq(pqxx::transaction_base& transaction) {
    return transaction.exec1(kTakeSeq)[0].as<std::uint64_t>();
}

void write_event(pqxx::transaction_base& transaction, const SettlementEvent& event,
                 const Asset& asset, Time now) {
    transaction.exec_params0(kInsertEvent, event.seq, event.name, asset.id,
                             to_bytea(event.receiver), event.data, to_rfc3339(now));
}

}  // namespace millrace::ledger
