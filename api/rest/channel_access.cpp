#include "api/rest/channel_access.hpp"

#include "api/rest/problems.hpp"
#include "channel/error.hpp"

namespace millrace::api::rest {
namespace {

using channel::Error;

bool may_see(const Principal& principal, const ledger::ChannelRecord& record) {
    if (principal.auditor) return true;
    const auto& config = record.terms.config;
    if (!principal.address) return false;
    // A delegated key has a provider's part alone.
    return ledger::is_provider_side(config, *principal.address) ||
           (!principal.delegate && ledger::is_payer_side(config, *principal.address));
}

}  // namespace

bool is_served(const RestContext& context, const ledger::ChannelRecord& record) {
    return context.assets.contains(record.terms.asset_id);
}

std::optional<HttpResponse> hidden(const RestContext& context, const Principal& principal,
                                   const std::optional<ledger::ChannelRecord>& record) {
    if (!record || !is_served(context, *record))
        return problem(channel::Refusal(Error::channel_unknown));
    if (!may_see(principal, *record)) return problem(channel::Refusal(Error::forbidden));
    return std::nullopt;
}

}  // namespace millrace::api::rest
