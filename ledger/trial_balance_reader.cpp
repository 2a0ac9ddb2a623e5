#include "ledger/trial_balance_reader.hpp"

#include "ledger/bytea.hpp"
#include "ledger/row_values.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

// Per asset and kind of account, up to $1; and how many accounts differ from all transfers. A kind
// is null for an asset that has no account at all.
constexpr const char* kBalances = R"sql(
    with leg as (
        select asset_id, debit_kind as kind, debit_owner as owner, seq, amount as debit,
               0::numeric as credit
        from transfer
        union all
        select asset_id, credit_kind, credit_owner, seq, 0, amount from transfer
    ), moved as (
        select asset_id, kind, owner, sum(debit) as debits, sum(credit) as credits,
               coalesce(sum(debit) filter (where seq <= $1), 0) as debits_then,
               coalesce(sum(credit) filter (where seq <= $1), 0) as credits_then
        from leg
        group by asset_id, kind, owner
    ), compared as (
        select asset_id, kind, coalesce(m.debits_then, 0) as debits_then,
               coalesce(m.credits_then, 0) as credits_then,
               a.debits is distinct from coalesce(m.debits, 0)
                   or a.credits is distinct from coalesce(m.credits, 0) as differs
        from account a full join moved m using (asset_id, kind, owner)
    )
    select s.asset_id, s.network, s.token, s.symbol, s.decimals, c.kind,
           count(c.kind) as accounts,
           coalesce(sum(c.debits_then), 0) as debits, coalesce(sum(c.credits_then), 0) as credits,
           sum(coalesce(sum(c.debits_then), 0)) over asset as asset_debits,
           sum(coalesce(sum(c.credits_then), 0)) over asset as asset_credits,
           sum(coalesce(sum(c.debits_then - c.credits_then), 0)) over asset as difference,
           sum(count(*) filter (where c.differs)) over asset as differing
    from asset s left join compared c on c.asset_id = s.asset_id
    group by s.asset_id, s.network, s.token, s.symbol, s.decimals, c.kind
    window asset as (partition by s.asset_id)
    order by s.asset_id, c.kind)sql";

AssetBalance asset_from(const pqxx::row& row) {
    AssetBalance asset;
    asset.network = network_column(row["network"]);
    asset.token = from_bytea<channel::Address>(row["token"]);
    asset.symbol = row["symbol"].c_str();
    asset.decimals = row["decimals"].as<int>();
    asset.debits = word_column(row["asset_debits"]);
    asset.credits = word_column(row["asset_credits"]);
    asset.difference = row["difference"].c_str();
    asset.accounts_differing = row["differing"].as<std::uint64_t>();
    return asset;
}

}  // namespace

bool TrialBalance::balanced() const {
    return std::all_of(assets.begin(), assets.end(), [](const AssetBalance& asset) {
        return asset.difference == "0" && asset.accounts_differing == 0;
    });
}

TrialBalance read_trial_balance(Snapshot& snapshot, std::uint64_t seq) {
    TrialBalance balance{seq, {}};
    std::int32_t current = 0;
    for (const auto& row : snapshot.reading().exec_params(kBalances, seq)) {
        const auto asset_id = row["asset_id"].as<std::int32_t>();
        if (balance.assets.empty() || asset_id != current)
            balance.assets.push_back(asset_from(row));
        current = asset_id;
        if (row["kind"].is_null()) continue;
        balance.assets.back().kinds.push_back(
            {row["kind"].c_str(), row["accounts"].as<std::uint64_t>(), word_column(row["debits"]),
             word_column(row["credits"])});
    }
    return balance;
}

}  // namespace millrace::ledger
