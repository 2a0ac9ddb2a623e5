#include "ledger/settlement/reopen.hpp"

#include "channel/keccak.hpp"
#include "ledger/bytea.hpp"
#include "ledger/settlement/columns.hpp"

#include <set>
#include <string>

namespace millrace::ledger {
namespace {

// Without a block: it never was in one (another transaction took its nonce).
constexpr const char* kReopen = R"sql(
    update outbox set status = 'sent', block_number = null, gas_used = null, fee = null,
        error = null, updated_at = $3::timestamptz
    where network = $1 and status in ('confirmed', 'failed') and block_number > $2
    returning purpose, reference, outbox_id, raw, hash)sql";
// The hash of an ended transaction is that of the attempt which was mined; the newest attempt is
// the one to be broadcast, and any of them may be mined the next time.
constexpr const char* kHash = "update outbox set hash = $2::bytea where outbox_id = $1";

}  // namespace

std::vector<SettlementEvent> reopen_outbox(pqxx::transaction_base& transaction,
                                           channel::Network network, std::uint64_t above_block,
                                           const Assets& assets, Time now) {
    std::set<std::string> claims;
    for (const auto& row : transaction.exec_params(kReopen, channel::to_string(network),
                                                   above_block, to_rfc3339(now))) {
        if (to_string(Purpose::claim) == row[0].c_str()) claims.insert(row[1].c_str());
        const auto raw = bytes_from(row[3]);
        const auto newest = channel::keccak256(channel::BytesView(raw));
        if (to_bytea(newest) != row[4].c_str())
            transaction.exec_params0(kHash, row[2].as<std::int64_t>(), to_bytea(newest));
    }
    std::vector<SettlementEvent> events;
    for (const auto& claim_id : claims) {
        auto event = claim_reopened(transaction, claim_id, assets, now);
        if (event) events.push_back(std::move(*event));
    }
    return events;
}

}  // namespace millrace::ledger
