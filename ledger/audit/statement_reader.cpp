#include "ledger/audit/statement_reader.hpp"

#include "ledger/bytea.hpp"
#include "ledger/row_values.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::ledger {
namespace {

// What the account moved up to the period's beginning, up to the page's, and up to the period's
// end.
constexpr const char* kSums = R"sql(
    select n.asset_id, n.symbol, n.decimals,
           d.opening as opening_debits, d.turned as page_debits, d.closing as closing_debits,
           c.opening as opening_credits, c.turned as page_credits, c.closing as closing_credits
    from (select s.asset_id, s.symbol, s.decimals
          from asset s join account a on a.asset_id = s.asset_id
          where s.network = $1 and s.token = $2::bytea and a.kind = $3 and a.owner = $4::bytea) n,
    lateral (
        select coalesce(sum(amount) filter (where seq <= $5), 0) as opening,
               coalesce(sum(amount) filter (where (seq, leg) <= ($7, $8::integer)), 0) as turned,
               coalesce(sum(amount), 0) as closing
        from transfer
        where asset_id = n.asset_id and debit_kind = $3 and debit_owner = $4::bytea
            and seq <= $6) d,
    lateral (
        select coalesce(sum(amount) filter (where seq <= $5), 0) as opening,
               coalesce(sum(amount) filter (where (seq, leg) <= ($7, $8::integer)), 0) as turned,
               coalesce(sum(amount), 0) as closing
        from transfer
        where asset_id = n.asset_id and credit_kind = $3 and credit_owner = $4::bytea
            and seq <= $6) c)sql";
// Each half comes from its index, in order and no more than the page takes. {0} is the time.
constexpr const char* kLegs = R"sql(
    (select t.seq, t.leg, t.first_seq, true as is_debit, t.credit_kind as counter_kind,
            t.credit_owner as counter_owner, t.amount, t.cause,
            coalesce(t.reverses_seq || ':' || t.reverses_leg, '') as reverses, {0} as at
     from transfer t
     where t.asset_id = $1 and t.debit_kind = $2 and t.debit_owner = $3::bytea
         and t.seq between $4 and $6 and (t.seq > $4 or t.leg > $5::integer)
     order by t.seq, t.leg limit $7)
    union all
    (select t.seq, t.leg, t.first_seq, false, t.debit_kind, t.debit_owner, t.amount, t.cause,
            coalesce(t.reverses_seq || ':' || t.reverses_leg, ''), {0}
     from transfer t
     where t.asset_id = $1 and t.credit_kind = $2 and t.credit_owner = $3::bytea
         and t.seq between $4 and $6 and (t.seq > $4 or t.leg > $5::integer)
     order by t.seq, t.leg limit $7)
    order by seq, leg limit $7)sql";

/// No leg of an entry has a higher number.
constexpr std::int32_t kLastLeg = std::numeric_limits<std::int16_t>::max();

struct Sums {
    channel::Amount debits;
    channel::Amount credits;
};

Account account_with(const AccountId& id, const pqxx::row& row, const Sums& sums) {
    const auto stands = standing(id.kind, sums.debits, sums.credits);
    return {id,          row["symbol"].c_str(), row["decimals"].as<int>(),
            sums.debits, sums.credits,          stands.balance,
            stands.side};
}

Sums sums_from(const pqxx::row& row, const char* debits, const char* credits) {
    return {amount_column(row[debits]), amount_column(row[credits])};
}

/// `sums` is what was moved before the leg, and is moved on.
StatementLeg leg_from(const pqxx::row& row, const AccountId& id, Sums& sums) {
    StatementLeg leg;
    leg.key = {row["seq"].as<std::uint64_t>(), row["leg"].as<std::int32_t>()};
    leg.first_seq = row["first_seq"].as<std::uint64_t>();
    leg.at = row["at"].c_str();
    leg.cause = row["cause"].c_str();
    leg.reverses = row["reverses"].c_str();
    leg.counter = {id.network, id.token, row["counter_kind"].c_str(),
                   bytes_column(row["counter_owner"])};
    leg.side = row["is_debit"].as<bool>() ? Side::debit : Side::credit;
    leg.amount = amount_column(row["amount"]);
    auto& moved = leg.side == Side::debit ? sums.debits : sums.credits;
    moved = channel::add(moved, leg.amount).value();
    const auto stands = standing(id.kind, sums.debits, sums.credits);
    leg.balance = stands.balance;
    leg.balance_side = stands.side;
    return leg;
}

}  // namespace

std::optional<Statement> read_statement(Snapshot& snapshot, const AccountId& id,
                                        const StatementPeriod& period,
                                        const std::optional<PostingKey>& after, std::size_t limit) {
    const PostingKey first{period.from, kLastLeg};
    const auto begin = after ? std::max(*after, first) : first;
    const auto owner = to_bytea(channel::BytesView(id.owner));
    const auto found = snapshot.reading().exec_params(kSums, channel::to_string(id.network),
                                                      to_bytea(id.token), id.kind, owner,
                                                      period.from, period.to, begin.seq, begin.leg);
    if (found.empty()) return std::nullopt;
    const auto row = found[0];
    Statement statement;
    statement.opening = account_with(id, row, sums_from(row, "opening_debits", "opening_credits"));
    statement.closing = account_with(id, row, sums_from(row, "closing_debits", "closing_credits"));
    statement.debits =
        channel::subtract(statement.closing.debits, statement.opening.debits).value();
    statement.credits =
        channel::subtract(statement.closing.credits, statement.opening.credits).value();
    auto sums = sums_from(row, "page_debits", "page_credits");
    const auto legs = fmt::format(fmt::runtime(kLegs), rfc3339_of("t.at"));
    for (const auto& leg :
         snapshot.reading().exec_params(legs, row["asset_id"].as<std::int32_t>(), id.kind, owner,
                                        begin.seq, begin.leg, period.to, limit))
        statement.legs.push_back(leg_from(leg, id, sums));
    return statement;
}

}  // namespace millrace::ledger
