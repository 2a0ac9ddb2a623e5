#include "ledger/known_inferences.hpp"

#include <set>

#include <boost/unordered/unordered_flat_map.hpp>

namespace millrace::ledger {
namespace {

using channel::Error;
using channel::Refusal;

std::uint64_t key_of(const PaymentRequest& request) {
    return SeenInferences::key(request.channel, inference_of(request));
}

}  // namespace

std::vector<InferenceKey> KnownInferences::mark(std::deque<BatchItem>& items,
                                                const LiveChannels& channels, Lookup lookup) const {
    boost::unordered_flat_map<std::uint64_t, int> uses;
    for (auto& item : items) {
        const auto* request = std::get_if<PaymentRequest>(item.request);
        if (!request) continue;
        item.content = content_hash(*request);
        ++uses[key_of(*request)];
    }
    std::set<InferenceKey> keys;
    for (auto& item : items) {
        const auto* request = std::get_if<PaymentRequest>(item.request);
        if (!request) continue;
        const auto& inference = inference_of(*request);
        const auto key = key_of(*request);
        item.is_known_new = !opens_inference(*request) && uses[key] == 1 &&
                            steps_.is_new(request->channel, inference, item.content);
        item.suspect = lookup == Lookup::everything || uses[key] > 1 ||
                       (!item.is_known_new && is_suspect(*request, key, channels));
        if (item.suspect) keys.emplace(request->channel, inference);
    }
    return {keys.begin(), keys.end()};
}

bool KnownInferences::is_suspect(const PaymentRequest& request, std::uint64_t key,
                                 const LiveChannels& channels) const {
    if (opens_inference(request)) return seen_.contains(key);
    const auto found = channels.find(request.channel);
    if (found == channels.end()) return false;
    const auto& reservations = found->second.state.reservations;
    const auto reservation = reservations.find(inference_of(request));
    return reservation == reservations.end() || reservation->second.steps > 1;
}

bool KnownInferences::may_be_repeat(const PaymentRequest& request,
                                    const LiveChannels& channels) const {
    const auto key = key_of(request);
    return seen_.contains(key) && is_suspect(request, key, channels) &&
           (opens_inference(request) ||
            !steps_.is_new(request.channel, inference_of(request), content_hash(request)));
}

std::vector<InferenceKey> KnownInferences::doubtful(const std::deque<BatchItem>& items,
                                                    const LiveChannels& channels) const {
    std::set<InferenceKey> keys;
    for (const auto& item : items) {
        const auto* request = std::get_if<PaymentRequest>(item.request);
        if (!request || item.suspect || item.is_known_new ||
            !std::holds_alternative<Refusal>(item.outcome))
            continue;
        const auto error = std::get<Refusal>(item.outcome).error;
        if (error == Error::forbidden || error == Error::channel_unknown) continue;
        if (opens_inference(*request) && !may_be_of_old(request->channel, channels) &&
            !seen_.contains(key_of(*request)))
            continue;
        keys.emplace(request->channel, inference_of(*request));
    }
    return {keys.begin(), keys.end()};
}

bool KnownInferences::may_be_of_old(const channel::ChannelId& id,
                                    const LiveChannels& channels) const {
    const auto found = channels.find(id);
    return seen_.has_forgotten() || (found != channels.end() && found->second.was_there_before);
}

bool KnownInferences::has_seen(const InferenceKey& key) const {
    return seen_.contains(SeenInferences::key(key.first, key.second));
}

void KnownInferences::remember(const std::deque<BatchItem>& items, const LiveChannels& channels) {
    for (const auto& item : items) {
        if (std::holds_alternative<BatchItem::Changed>(item.outcome))
            if (const auto* id = channel_of(*item.request))
                steps_.forget_ended(*id, channels.at(*id).state);
        const auto* request = std::get_if<PaymentRequest>(item.request);
        if (!request) continue;
        const auto* accepted = std::get_if<BatchItem::Accepted>(&item.outcome);
        if (accepted)
            steps_.add(request->channel, inference_of(*request), item.content, accepted->step,
                       channels.at(request->channel).state);
        if (accepted || std::holds_alternative<BatchItem::Repeated>(item.outcome))
            seen_.add(key_of(*request));
    }
}

}  // namespace millrace::ledger
