#include "api/database.hpp"
#include "api/rest/account_json.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/json_object.hpp"
#include "api/rest/parameters.hpp"
#include "api/rest/problems.hpp"
#include "channel/uint256.hpp"
#include "ledger/account_reader.hpp"
#include "ledger/trial_balance_reader.hpp"

#include <variant>

namespace millrace::api::rest {
namespace {

/// A sum over all transfers takes as long as there are many.
constexpr std::chrono::minutes kReportPatience{2};
constexpr std::string_view kNotCommitted = "No such seq has been committed yet.";

std::string kind_json(const ledger::KindBalance& kind) {
    JsonObject body;
    body.text("kind", kind.kind)
        .number("accounts", kind.accounts)
        .text("debits", channel::to_decimal(kind.debits))
        .text("credits", channel::to_decimal(kind.credits));
    return body.take();
}

std::string asset_json(const ledger::AssetBalance& asset) {
    JsonObject body;
    body.text("network", channel::to_string(asset.network))
        .hex("token", asset.token)
        .text("symbol", asset.symbol)
        .number("decimals", static_cast<std::uint64_t>(asset.decimals))
        .text("debits", channel::to_decimal(asset.debits))
        .text("credits", channel::to_decimal(asset.credits))
        .text("difference", asset.difference)
        .number("accountsDiffering", asset.accounts_differing)
        .list("kinds", asset.kinds, kind_json);
    return body.take();
}

struct AccountsPage {
    std::uint64_t seq = 0;
    std::vector<ledger::Account> accounts;
};

struct AccountReport {
    std::uint64_t seq = 0;
    std::optional<ledger::Account> account;
};

channel::Result<AccountReport> report_account(pqxx::connection& connection,
                                              const ledger::AccountId& id,
                                              const std::optional<ledger::Moment>& at) {
    ledger::Snapshot snapshot(connection);
    if (!at) return AccountReport{snapshot.seq(), ledger::read_account(snapshot, id)};
    const auto seq = ledger::seq_at(snapshot, *at);
    if (!seq) return seq.error();
    return AccountReport{*seq, ledger::read_account_at(snapshot, id, *seq)};
}

channel::Result<ledger::TrialBalance> report_balance(pqxx::connection& connection,
                                                     const std::optional<ledger::Moment>& at) {
    ledger::Snapshot snapshot(connection, kReportPatience);
    if (!at) return ledger::read_trial_balance(snapshot, snapshot.seq());
    const auto seq = ledger::seq_at(snapshot, *at);
    if (!seq) return seq.error();
    return ledger::read_trial_balance(snapshot, *seq);
}

}  // namespace

Task<HttpResponse> get_accounts(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto after = parameters.account("after");
    const auto limit = parameters.limit();
    if (parameters.failed()) co_return parameters.answer();
    const auto read = [after, limit](pqxx::connection& connection) {
        ledger::Snapshot snapshot(connection);
        return AccountsPage{snapshot.seq(), ledger::list_accounts(snapshot, after, limit)};
    };
    const auto page = co_await context.database.run(read);
    JsonObject body;
    body.decimal("seq", page.seq).list("accounts", page.accounts, account_json);
    if (page.accounts.size() == limit)
        body.text("next", ledger::to_string(page.accounts.back().id));
    co_return body.answer_at(page.seq);
}

Task<HttpResponse> get_account(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto id = parameters.account_in_path(request.segment);
    const auto at = parameters.moment("at");
    if (parameters.failed()) co_return parameters.answer();
    const auto read = [id, at](pqxx::connection& connection) {
        return report_account(connection, id, at);
    };
    const auto report = co_await context.database.run(read);
    if (!report) co_return bad_parameter("at", kNotCommitted);
    if (!report->account) co_return not_found("not_found", "There is no such account.");
    JsonObject body;
    body.decimal("seq", report->seq).json("account", account_json(*report->account));
    co_return body.answer_at(report->seq);
}

Task<HttpResponse> get_trial_balance(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto at = parameters.moment("at");
    if (parameters.failed()) co_return parameters.answer();
    const auto balance = co_await context.database.run(
        [at](pqxx::connection& connection) { return report_balance(connection, at); });
    if (!balance) co_return bad_parameter("at", kNotCommitted);
    JsonObject body;
    body.decimal("seq", balance->seq)
        .flag("balanced", balance->balanced())
        .list("assets", balance->assets, asset_json);
    co_return body.answer_at(balance->seq);
}

}  // namespace millrace::api::rest
