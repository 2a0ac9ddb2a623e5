#include "api/database.hpp"
#include "api/rest/account_json.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/json_object.hpp"
#include "api/rest/parameters.hpp"
#include "api/rest/problems.hpp"
#include "ledger/audit/statement_reader.hpp"

#include <variant>

namespace millrace::api::rest {
namespace {

/// A sum over all that an account moved takes as long as that is much.
constexpr std::chrono::minutes kReportPatience{2};

struct Wanted {
    ledger::AccountId id;
    std::optional<ledger::Moment> from;
    std::optional<ledger::Moment> to;
    std::optional<ledger::PostingKey> after;
    std::size_t limit = 0;
};

struct StatementPage {
    std::uint64_t seq = 0;
    ledger::StatementPeriod period;
    std::optional<ledger::Statement> statement;
};

struct BadPeriod {
    std::string_view field;
    std::string_view expected;
};

std::variant<StatementPage, BadPeriod> read_page(pqxx::connection& connection,
                                                 const Wanted& wanted) {
    constexpr std::string_view kNotCommitted = "No such seq has been committed yet.";
    ledger::Snapshot snapshot(connection, kReportPatience);
    StatementPage page{snapshot.seq(), {0, snapshot.seq()}, {}};
    if (wanted.from) {
        const auto seq = ledger::seq_at(snapshot, *wanted.from);
        if (!seq) return BadPeriod{"from", kNotCommitted};
        page.period.from = *seq;
    }
    if (wanted.to) {
        const auto seq = ledger::seq_at(snapshot, *wanted.to);
        if (!seq) return BadPeriod{"to", kNotCommitted};
        page.period.to = *seq;
    }
    if (page.period.to < page.period.from)
        return BadPeriod{"to", "Expected a moment that is not before from."};
    page.statement =
        ledger::read_statement(snapshot, wanted.id, page.period, wanted.after, wanted.limit);
    return page;
}

std::string key_text(const ledger::PostingKey& key) {
    return std::to_string(key.seq) + ':' + std::to_string(key.leg);
}

std::string leg_json(const ledger::StatementLeg& leg) {
    JsonObject body;
    body.decimal("seq", leg.key.seq)
        .number("leg", static_cast<std::uint64_t>(leg.key.leg))
        .decimal("firstSeq", leg.first_seq)
        .text("at", leg.at)
        .text("cause", leg.cause)
        .text("counterAccount", ledger::to_string(leg.counter))
        .text("side", ledger::to_string(leg.side))
        .amount("amount", leg.amount)
        .amount("balance", leg.balance)
        .text("balanceSide", ledger::to_string(leg.balance_side));
    if (!leg.reverses.empty()) body.text("reverses", leg.reverses);
    return body.take();
}

}  // namespace

Task<HttpResponse> get_statement(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    Wanted wanted{parameters.account_in_path(request.segment), parameters.moment("from"),
                  parameters.moment("to"), parameters.posting("after"), parameters.limit()};
    if (parameters.failed()) co_return parameters.answer();
    const auto read = [wanted](pqxx::connection& connection) {
        return read_page(connection, wanted);
    };
    const auto found = co_await context.database.run(read);
    if (const auto* bad = std::get_if<BadPeriod>(&found))
        co_return bad_parameter(bad->field, bad->expected);
    const auto& page = std::get<StatementPage>(found);
    if (!page.statement) co_return not_found("not_found", "There is no such account.");
    const auto& statement = *page.statement;
    JsonObject body;
    body.decimal("seq", page.seq)
        .decimal("from", page.period.from)
        .decimal("to", page.period.to)
        .json("opening", account_json(statement.opening))
        .json("closing", account_json(statement.closing))
        .amount("debits", statement.debits)
        .amount("credits", statement.credits)
        .list("legs", statement.legs, leg_json);
    if (statement.legs.size() == wanted.limit)
        body.text("next", key_text(statement.legs.back().key));
    co_return body.answer_at(page.seq);
}

}  // namespace millrace::api::rest
