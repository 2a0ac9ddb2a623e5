#include "api/rest/account_json.hpp"

#include "api/rest/json_object.hpp"

namespace millrace::api::rest {

std::string account_json(const ledger::Account& account) {
    JsonObject body;
    body.text("id", ledger::to_string(account.id))
        .text("network", channel::to_string(account.id.network))
        .hex("token", account.id.token)
        .text("symbol", account.symbol)
        .number("decimals", static_cast<std::uint64_t>(account.decimals))
        .text("kind", account.id.kind);
    if (!account.id.owner.empty())
        body.text("owner", channel::to_hex(channel::BytesView(account.id.owner)));
    body.amount("debits", account.debits)
        .amount("credits", account.credits)
        .amount("balance", account.balance)
        .text("side", ledger::to_string(account.side));
    return body.take();
}

}  // namespace millrace::api::rest
