#include "ledger/draft_answer.hpp"

#include "ledger/event_data.hpp"

namespace millrace::ledger {
namespace {

ChannelChanged changed_answer(const LiveChannel& channel, const BatchItem::Changed& changed,
                              std::uint64_t seq) {
    return {changed.name, seq, changed.state, changed.amount,
            channel_event_data(changed.name, *channel.terms, changed.state, *channel.asset,
                               changed.amount)};
}

PaymentCommitted first_answer(const BatchItem::Repeated& repeated) {
    PaymentCommitted committed{repeated.step.kind, true, repeated.step.result,
                               repeated.step.detail};
    if (repeated.first) committed.result.seq = static_cast<std::uint64_t>(repeated.first->ordinal);
    return committed;
}

}  // namespace

Answer refuse(const Request& request, channel::Error error) {
    return {std::visit([](const auto& one) { return one.reply_to; }, request), nullptr,
            channel::Refusal{error}};
}

Answer draft_answer(const BatchItem& item, const LiveChannel* channel) {
    Answer answer = refuse(*item.request, channel::Error::unavailable);
    if (channel) answer.terms = channel->terms;
    const auto seq = static_cast<std::uint64_t>(item.ordinal);
    if (const auto* refusal = std::get_if<channel::Refusal>(&item.outcome)) {
        answer.outcome = *refusal;
    } else if (const auto* accepted = std::get_if<BatchItem::Accepted>(&item.outcome)) {
        PaymentCommitted committed{accepted->kind, false, accepted->result,
                                   std::get<PaymentRequest>(*item.request).detail};
        committed.result.seq = seq;
        answer.outcome = std::move(committed);
    } else if (const auto* repeated = std::get_if<BatchItem::Repeated>(&item.outcome)) {
        answer.outcome = first_answer(*repeated);
    } else if (const auto* changed = std::get_if<BatchItem::Changed>(&item.outcome)) {
        if (channel)
            answer.outcome = changed_answer(*channel, *changed, seq);
        else
            answer.outcome = AssetEventPosted{seq};
    } else if (channel) {
        answer.outcome = ChannelChanged{"", 0, channel->state, {}, ""};
    } else {
        answer.outcome = AssetEventPosted{};
    }
    return answer;
}

void count_from(std::int64_t base, Answer& draft, const BatchItem& item) {
    const auto* repeated = std::get_if<BatchItem::Repeated>(&item.outcome);
    if (item.ordinal == 0 && !(repeated && repeated->first)) return;
    const auto above = static_cast<std::uint64_t>(base);
    if (auto* committed = std::get_if<PaymentCommitted>(&draft.outcome))
        committed->result.seq += above;
    else if (auto* changed = std::get_if<ChannelChanged>(&draft.outcome))
        changed->seq += above;
    else if (auto* posted = std::get_if<AssetEventPosted>(&draft.outcome))
        posted->seq += above;
}

}  // namespace millrace::ledger
