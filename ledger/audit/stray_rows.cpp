#include "ledger/audit/stray_rows.hpp"

#include <fmt/format.h>

namespace millrace::ledger {
namespace {

struct Numbered {
    const char* table;
    /// The column of the number, and what tells a row from others of it.
    const char* number;
    const char* key;
};

constexpr Numbered kNumbered[] = {
    {"payment", "seq", "'0x' || encode(channel_id, 'hex'), inference_id, step"},
    {"transfer", "seq", "'leg', leg, debit_kind, credit_kind, amount"},
    {"chain_event", "seq",
     "network, '0x' || encode(transaction_hash, 'hex'), log_index, inclusion"},
    {"channel_opening", "seq", "'0x' || encode(channel_id, 'hex')"},
    {"chain_reversal", "seq", "event_seq"},
    {"event", "seq", "topic, name, '0x' || encode(coalesce(channel_id, receiver), 'hex')"},
    {"log_checkpoint", "size", "size"}};

}  // namespace

std::string stray_rows(std::uint64_t seq) {
    std::string all;
    for (const auto& [table, number, key] : kNumbered) {
        if (!all.empty()) all += " union all ";
        // Each of the three by the index, however many rows there are.
        all += fmt::format(
            "select '{0}' as table_name, {1} as number, concat_ws(' ', {2}) as key from {0} "
            "where {1} < 1 or {1} > {3} or {1} is null",
            table, number, key, seq);
    }
    return "select table_name, number::text, key from (" + all +
           ") strays order by strays.number, table_name collate \"C\", key collate \"C\"";
}

}  // namespace millrace::ledger
