#include "api/stream/admissions.hpp"

#include <algorithm>
#include <utility>

namespace millrace::api::stream {

std::uint64_t Admissions::add(ledger::PaymentRequest request) {
    auto& queue = queues_[request.channel];
    queue.push_back({next_ticket_, std::move(request)});
    ++waiting_;
    return next_ticket_++;
}

std::vector<ledger::PaymentRequest> Admissions::admit(const channel::ChannelId& channel,
                                                      std::uint64_t ticket) {
    return settle(channel, ticket, Entry::Standing::admitted);
}

std::vector<ledger::PaymentRequest> Admissions::drop(const channel::ChannelId& channel,
                                                     std::uint64_t ticket) {
    return settle(channel, ticket, Entry::Standing::refused);
}

std::vector<ledger::PaymentRequest> Admissions::settle(const channel::ChannelId& channel,
                                                       std::uint64_t ticket,
                                                       Entry::Standing standing) {
    std::vector<ledger::PaymentRequest> ready;
    const auto place = queues_.find(channel);
    if (place == queues_.end()) return ready;
    auto& queue = place->second;
    const auto entry = std::find_if(queue.begin(), queue.end(),
                                    [&](const Entry& one) { return one.ticket == ticket; });
    if (entry != queue.end()) entry->standing = standing;
    for (; !queue.empty() && queue.front().standing != Entry::Standing::asked; queue.pop_front()) {
        --waiting_;
        auto& front = queue.front();
        if (front.standing == Entry::Standing::refused) continue;
        front.request.verdict = ledger::ContractVerdict::valid;
        ready.push_back(std::move(front.request));
    }
    if (queue.empty()) queues_.erase(place);
    return ready;
}

}  // namespace millrace::api::stream
