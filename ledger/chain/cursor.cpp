#include "ledger/chain/cursor.hpp"

#include "ledger/bytea.hpp"

namespace millrace::ledger::chain {
namespace {

constexpr const char* kRead =
    "select block_number, block_hash from chain_cursor where network = $1";
constexpr const char* kAdvance = R"sql(
    insert into chain_cursor (network, block_number, block_hash) values ($1, $2, $3::bytea)
    on conflict (network) do update
        set block_number = excluded.block_number, block_hash = excluded.block_hash
        where chain_cursor.block_number < excluded.block_number)sql";

}  // namespace

std::optional<Cursor> read_cursor(pqxx::transaction_base& transaction, channel::Network network) {
    const auto rows = transaction.exec_params(kRead, channel::to_string(network));
    if (rows.empty()) return std::nullopt;
    return Cursor{rows[0][0].as<std::uint64_t>(), from_bytea<channel::BlockHash>(rows[0][1])};
}

void advance_cursor(pqxx::transaction_base& transaction, channel::Network network,
                    const Cursor& cursor) {
    transaction.exec_params0(kAdvance, channel::to_string(network), cursor.block_number,
                             to_bytea(cursor.block_hash));
}

}  // namespace millrace::ledger::chain
