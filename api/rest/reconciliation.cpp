#include "api/chain/chain_service.hpp"
#include "api/metrics.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/json_object.hpp"
#include "api/rest/problems.hpp"
#include "channel/uint256.hpp"

#include <optional>

namespace millrace::api::rest {
namespace {

std::string asset_json(const ledger::AssetReport& asset) {
    JsonObject body;
    body.hex("token", asset.token)
        .text("symbol", asset.symbol)
        .number("decimals", static_cast<std::uint64_t>(asset.decimals))
        .amount("ledgerEscrow", asset.ledger_escrow)
        .amount("contractEscrow", asset.contract_escrow)
        .text("difference", ledger::difference(asset.ledger_escrow, asset.contract_escrow))
        .text("contractBalance", channel::to_decimal(asset.contract_balance));
    return body.take();
}

std::string network_json(const ledger::NetworkReport& network) {
    JsonObject body;
    body.text("network", channel::to_string(network.network));
    if (network.block) {
        JsonObject block;
        block.decimal("number", network.block->number).hex("hash", network.block->hash);
        body.json("block", block.take());
    }
    body.number("channels", network.channels).list("assets", network.assets, asset_json);
    return body.take();
}

std::string break_json(const ledger::Break& one) {
    JsonObject body;
    body.text("kind", to_string(one.kind)).text("network", channel::to_string(one.network));
    if (one.token) body.hex("token", *one.token);
    if (one.channel) body.hex("channelId", *one.channel);
    if (!one.account.empty()) body.text("account", one.account);
    if (one.seq != 0) body.decimal("seq", one.seq);
    if (one.transaction)
        body.hex("transaction", *one.transaction).number("logIndex", one.log_index);
    if (!one.ledger.empty()) body.text("ledger", one.ledger);
    if (!one.chain.empty()) body.text("chain", one.chain);
    return body.text("explanation", one.explanation).take();
}

std::string counts_json(const ledger::Breaks& breaks) {
    JsonObject body;
    for (const auto& [kind, count] : breaks.counts()) body.number(to_string(kind), count);
    return body.take();
}

/// Nothing for a value that is none.
std::optional<Vouchers> vouchers_of(const HttpRequest& request) {
    const auto given = request.query.find("vouchers");
    if (given == request.query.end() || given->second == "standing") return Vouchers::standing;
    if (given->second == "all") return Vouchers::all;
    return std::nullopt;
}

}  // namespace

Task<HttpResponse> get_reconciliation(RestContext& context, RestRequest request) {
    const auto vouchers = vouchers_of(request.http);
    if (!vouchers) co_return bad_parameter("vouchers", "Either \"standing\" or \"all\".");
    const auto outcome = co_await context.chain.reconcile(*vouchers);
    if (const auto* refusal = std::get_if<channel::Refusal>(&outcome)) co_return problem(*refusal);
    const auto& found = std::get<ledger::Reconciliation>(outcome);
    context.metrics.reconciled(found.breaks);
    JsonObject body;
    body.decimal("seq", found.seq)
        .flag("reconciled", found.reconciled())
        .list("networks", found.networks, network_json)
        .list("breaks", found.breaks.listed(), break_json)
        .number("breaksTotal", found.breaks.total())
        .json("breaksByKind", counts_json(found.breaks));
    co_return body.answer_at(found.seq);
}

}  // namespace millrace::api::rest
