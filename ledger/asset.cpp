#include "ledger/asset.hpp"

#include "ledger/bytea.hpp"

namespace millrace::ledger {
namespace {

constexpr const char* kFind = "select asset_id from asset where network = $1 and token = $2::bytea";
constexpr const char* kAdd = R"sql(
    insert into asset (asset_id, network, token, name, symbol, decimals)
    select coalesce(max(asset_id), 0) + 1, $1::text, $2::bytea, $3::text, $4::text, $5::smallint from asset
    on conflict do nothing)sql";
constexpr const char* kHolding = R"sql(
    select a.asset_id, a.network, a.token, count(*)
    from channel c join asset a on a.asset_id = c.asset_id
    where c.balance > c.total_claimed
    group by a.asset_id, a.network, a.token
    order by a.asset_id)sql";

}  // namespace

namespace {

/// Adds it when it is not there. A number that another service takes at the same moment is left to
/// it: the next one is tried.
std::int32_t asset_id(pqxx::connection& connection, const Asset& asset) {
    const auto network = channel::to_string(asset.network);
    const auto token = to_bytea(asset.token);
    for (;;) {
        pqxx::work transaction(connection);
        const auto rows = transaction.exec_params(kFind, network, token);
        if (!rows.empty()) return rows[0][0].as<std::int32_t>();
        transaction.exec_params0(kAdd, network, token, asset.name, asset.symbol, asset.decimals);
        transaction.commit();
    }
}

}  // namespace

Assets register_assets(pqxx::connection& connection, const std::vector<Asset>& wanted) {
    Assets assets;
    for (auto asset : wanted) {
        asset.id = asset_id(connection, asset);
        assets.emplace(asset.id, std::move(asset));
    }
    return assets;
}

std::vector<UnservedAsset> unserved_assets(pqxx::connection& connection, const Assets& served) {
    pqxx::read_transaction transaction(connection);
    std::vector<UnservedAsset> unserved;
    for (const auto& row : transaction.exec(kHolding))
        if (!served.contains(row[0].as<std::int32_t>()))
            unserved.push_back(
                {row[1].c_str(), from_bytea<channel::Address>(row[2]), row[3].as<std::uint64_t>()});
    return unserved;
}

}  // namespace millrace::ledger
