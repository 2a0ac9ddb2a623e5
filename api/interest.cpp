#include "api/subscriptions.hpp"

#include <algorithm>

namespace millrace::api {
namespace {

/// The event that an answer stands for; nothing for repeats, refusals and what changed nothing.
std::optional<LiveEvent> event_of(const ledger::Answer& answer) {
    LiveEvent event;
    event.terms = answer.terms;
    if (const auto* payment = std::get_if<ledger::PaymentCommitted>(&answer.outcome)) {
        if (payment->repeated) return std::nullopt;
        event.seq = payment->result.seq;
        event.payload = *payment;
        return event;
    }
    const auto* changed = std::get_if<ledger::ChannelChanged>(&answer.outcome);
    if (!changed || changed->name.empty()) return std::nullopt;
    event.seq = changed->seq;
    event.topic = ledger::Topic::channel;
    event.payload = changed->data;
    return event;
}

std::uint64_t seq_of(const ledger::Answer& answer) {
    if (const auto* payment = std::get_if<ledger::PaymentCommitted>(&answer.outcome))
        return payment->result.seq;
    if (const auto* changed = std::get_if<ledger::ChannelChanged>(&answer.outcome))
        return changed->seq;
    if (const auto* posted = std::get_if<ledger::AssetEventPosted>(&answer.outcome))
        return posted->seq;
    return 0;
}

}  // namespace

std::uint64_t Interest::join(const channel::Address& address) {
    const std::lock_guard lock(mutex_);
    ++joined_[address];
    return last_seq_;
}

void Interest::leave(const channel::Address& address) {
    const std::lock_guard lock(mutex_);
    const auto found = joined_.find(address);
    if (found != joined_.end() && --found->second == 0) joined_.erase(found);
}

void Interest::begin_after(std::uint64_t seq) {
    const std::lock_guard lock(mutex_);
    last_seq_ = std::max(last_seq_, seq);
}

bool Interest::is_wanted(const ledger::ChannelTerms& terms) const {
    const auto& config = terms.config;
    return joined_.contains(config.payer) || joined_.contains(config.receiver) ||
           joined_.contains(config.payer_authorizer) ||
           joined_.contains(config.receiver_authorizer);
}

// The number is noted under the same lock under which is looked who has joined: whoever joins after
// is told of a seq that includes these events, whoever joined before is offered them.

LiveEvents Interest::select(std::span<const ledger::Answer> answers) {
    auto events = std::make_shared<std::vector<LiveEvent>>();
    const std::lock_guard lock(mutex_);
    for (const auto& answer : answers) {
        last_seq_ = std::max(last_seq_, seq_of(answer));
        if (joined_.empty() || !answer.terms || !is_wanted(*answer.terms)) continue;
        if (auto event = event_of(answer)) events->push_back(std::move(*event));
    }
    if (events->empty()) return nullptr;
    return events;
}

LiveEvents Interest::select(const ChainService::SettlementEvent& settlement) {
    const std::lock_guard lock(mutex_);
    last_seq_ = std::max(last_seq_, settlement.seq);
    if (!joined_.contains(settlement.receiver)) return nullptr;
    LiveEvent event;
    event.seq = settlement.seq;
    event.topic = ledger::Topic::settlement;
    event.receiver = settlement.receiver;
    event.payload = settlement.data;
    return std::make_shared<const std::vector<LiveEvent>>(1, std::move(event));
}

}  // namespace millrace::api
