#include "ledger/account_reader.hpp"

#include "channel/error.hpp"
#include "ledger/bytea.hpp"
#include "ledger/row_values.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kList = R"sql(
    select s.network, s.token, s.symbol, s.decimals, a.kind, a.owner, a.debits, a.credits
    from account a join asset s on s.asset_id = a.asset_id
    where $1::text is null
       or (a.asset_id, a.kind, a.owner) >
          ((select asset_id from asset where network = $1 and token = $2::bytea), $3, $4::bytea)
    order by a.asset_id, a.kind, a.owner
    limit $5)sql";
constexpr const char* kOne = R"sql(
    select s.network, s.token, s.symbol, s.decimals, a.kind, a.owner, a.debits, a.credits
    from asset s join account a on a.asset_id = s.asset_id
    where s.network = $1 and s.token = $2::bytea and a.kind = $3 and a.owner = $4::bytea)sql";
constexpr const char* kOneAt = R"sql(
    select s.network, s.token, s.symbol, s.decimals, a.kind, a.owner,
           (select coalesce(sum(amount), 0) from transfer
            where asset_id = a.asset_id and debit_kind = a.kind and debit_owner = a.owner
                and seq <= $5) as debits,
           (select coalesce(sum(amount), 0) from transfer
            where asset_id = a.asset_id and credit_kind = a.kind and credit_owner = a.owner
                and seq <= $5) as credits
    from asset s join account a on a.asset_id = s.asset_id
    where s.network = $1 and s.token = $2::bytea and a.kind = $3 and a.owner = $4::bytea)sql";
constexpr const char* kNewestEntryBy =
    "select seq from transfer where at <= $1::timestamptz order by seq desc limit 1";

Side side_of_kind(std::string_view kind) {
    return kind == "escrow" || kind == "gas" ? Side::debit : Side::credit;
}

Account account_from(const pqxx::row& row) {
    Account account;
    account.id = {network_column(row["network"]), from_bytea<channel::Address>(row["token"]),
                  row["kind"].c_str(), bytes_column(row["owner"])};
    account.symbol = row["symbol"].c_str();
    account.decimals = row["decimals"].as<int>();
    account.debits = amount_column(row["debits"]);
    account.credits = amount_column(row["credits"]);
    const auto stands = standing(account.id.kind, account.debits, account.credits);
    account.balance = stands.balance;
    account.side = stands.side;
    return account;
}

std::optional<Account> only(const pqxx::result& rows) {
    if (rows.empty()) return std::nullopt;
    return account_from(rows[0]);
}

}  // namespace

AccountStanding standing(std::string_view kind, channel::Amount debits, channel::Amount credits) {
    if (debits == credits) return {{}, side_of_kind(kind)};
    if (debits > credits) return {*channel::subtract(debits, credits), Side::debit};
    return {*channel::subtract(credits, debits), Side::credit};
}

std::vector<Account> list_accounts(Snapshot& snapshot, const std::optional<AccountId>& after,
                                   std::size_t limit) {
    const auto network = after ? channel::to_string(after->network) : std::string();
    const auto key = after.value_or(AccountId{});
    std::vector<Account> accounts;
    for (const auto& row : snapshot.reading().exec_params(
             kList, after ? network.c_str() : nullptr, to_bytea(key.token), key.kind,
             to_bytea(channel::BytesView(key.owner)), limit))
        accounts.push_back(account_from(row));
    return accounts;
}

std::optional<Account> read_account(Snapshot& snapshot, const AccountId& id) {
    return only(snapshot.reading().exec_params(kOne, channel::to_string(id.network),
                                               to_bytea(id.token), id.kind,
                                               to_bytea(channel::BytesView(id.owner))));
}

std::optional<Account> read_account_at(Snapshot& snapshot, const AccountId& id, std::uint64_t seq) {
    return only(snapshot.reading().exec_params(kOneAt, channel::to_string(id.network),
                                               to_bytea(id.token), id.kind,
                                               to_bytea(channel::BytesView(id.owner)), seq));
}

channel::Result<std::uint64_t> seq_at(Snapshot& snapshot, const Moment& moment) {
    if (const auto* seq = std::get_if<std::uint64_t>(&moment)) {
        if (*seq > snapshot.seq()) return channel::Error::invalid_params;
        return *seq;
    }
    const auto rows =
        snapshot.reading().exec_params(kNewestEntryBy, to_rfc3339(std::get<Time>(moment)));
    return rows.empty() ? 0 : rows[0][0].as<std::uint64_t>();
}

}  // namespace millrace::ledger
