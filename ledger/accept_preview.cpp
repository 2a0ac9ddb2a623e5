#include "ledger/accept_preview.hpp"

#include "ledger/channel_batch.hpp"
#include "ledger/payment_history.hpp"

namespace millrace::ledger {

using channel::Error;
using channel::Refusal;

namespace {

std::optional<Refusal> refuse(channel::State state, const channel::Accept& accept,
                              channel::Amount deposit) {
    if (!deposit.is_zero() && !channel::apply(state, channel::DepositConfirmed{deposit}))
        return Refusal{Error::amount_out_of_range, channel::Amount::max(), "deposit.amount"};
    const auto decision = channel::decide(state, accept);
    if (decision.accepted()) return std::nullopt;
    return decision.refusal();
}

}  // namespace

AcceptPreview preview_accept(pqxx::connection& connection, const PaymentRequest& request,
                             channel::Amount deposit) {
    AcceptPreview preview;
    preview.channel = read_channel(connection, request.channel);
    const InferenceKey key{request.channel, inference_of(request)};
    const auto history = read_history(connection, {key});
    if (const auto found = history.find(key); found != history.end()) {
        const auto& first = found->second.front();
        if (first.content == content_hash(request))
            preview.before = first.result;
        else
            preview.refusal = Error::idempotency_conflict;
        return preview;
    }
    const auto& accept = std::get<channel::Accept>(request.command);
    if (preview.channel)
        preview.refusal = refuse(preview.channel->state, accept, deposit);
    else if (!deposit.is_zero())
        preview.refusal = refuse({}, accept, deposit);
    return preview;
}

}  // namespace millrace::ledger
