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
constexpr const char* kRemember = R"sql(
    insert into chain_block (network, block_number, block_hash) values ($1, $2, $3::bytea)
    on conflict (network, block_number) do nothing)sql";
/// Far more than chains reorganise: some hours of blocks of the fastest of them.
constexpr std::uint64_t kBlocksKept = 50'000;
constexpr const char* kForget = "delete from chain_block where network = $1 and block_number < $2";
constexpr const char* kKnown = R"sql(
    select block_number, block_hash from chain_block
    where network = $1
        and block_number <= (select block_number from chain_cursor where network = $1)
    order by 1 desc
    limit 10000)sql";
constexpr const char* kRecord = R"sql(
    insert into chain_reorganisation (network, number, from_block, from_hash, fork_block,
        fork_hash, depth, at)
    select $1::text, coalesce(max(number), 0) + 1, $2::bigint, $3::bytea, $4::bigint, $5::bytea,
        $6::bigint, $7::timestamptz
    from chain_reorganisation where network = $1::text)sql";
constexpr const char* kGoBack = R"sql(
    update chain_cursor set block_number = $2, block_hash = $3::bytea where network = $1)sql";
constexpr const char* kForgetAbove =
    "delete from chain_block where network = $1 and block_number > $2";

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
    transaction.exec_params0(kRemember, channel::to_string(network), cursor.block_number,
                             to_bytea(cursor.block_hash));
    if (cursor.block_number > kBlocksKept)
        transaction.exec_params0(kForget, channel::to_string(network),
                                 cursor.block_number - kBlocksKept);
}

std::vector<Cursor> known_blocks(pqxx::transaction_base& transaction, channel::Network network) {
    std::vector<Cursor> blocks;
    for (const auto& row : transaction.exec_params(kKnown, channel::to_string(network)))
        blocks.push_back({row[0].as<std::uint64_t>(), from_bytea<channel::BlockHash>(row[1])});
    return blocks;
}

void go_back(pqxx::transaction_base& transaction, channel::Network network,
             const Reorganisation& reorganisation, Time now) {
    const auto& [from, fork, depth] = reorganisation;
    const auto name = channel::to_string(network);
    transaction.exec_params0(kRecord, name, from.block_number, to_bytea(from.block_hash),
                             fork.block_number, to_bytea(fork.block_hash), depth, to_rfc3339(now));
    transaction.exec_params0(kGoBack, name, fork.block_number, to_bytea(fork.block_hash));
    transaction.exec_params0(kForgetAbove, name, fork.block_number);
}

}  // namespace millrace::ledger::chain
