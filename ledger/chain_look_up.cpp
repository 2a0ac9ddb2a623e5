#include "ledger/chain_look_up.hpp"

#include "ledger/posted_event.hpp"

#include <set>
#include <utility>
#include <vector>

namespace millrace::ledger {

void mark_posted(std::deque<BatchItem>& items, const Assets& assets,
                 const std::unordered_map<channel::ChannelId, LiveChannel>& channels,
                 const Connect& connect) {
    std::vector<std::pair<channel::Network, ChainLog>> logs;
    std::vector<BatchItem*> holders;
    std::set<std::pair<channel::TransactionHash, std::uint32_t>> in_batch;
    for (auto& item : items) {
        const ChainLog* log = nullptr;
        std::int32_t asset_id = 0;
        if (const auto* event = std::get_if<PostChannelEvent>(item.request)) {
            const auto found = channels.find(event->channel);
            if (found == channels.end()) continue;
            log = &event->log;
            asset_id = found->second.asset->id;
        } else if (const auto* posted = std::get_if<PostAssetEvent>(item.request)) {
            log = &posted->log;
            asset_id = posted->asset_id;
        }
        if (!log) continue;
        if (!in_batch.emplace(log->transaction, log->log_index).second) item.suspect = true;
        logs.emplace_back(assets.at(asset_id).network, *log);
        holders.push_back(&item);
    }
    if (logs.empty()) return;
    const auto standing = standing_of(connect(), logs);
    for (std::size_t at = 0; at < holders.size(); ++at) {
        holders[at]->standing = standing[at];
        if (standing[at].kind == Standing::posted) holders[at]->suspect = true;
    }
}

void read_undone(std::deque<BatchItem>& items, const Connect& connect) {
    std::set<std::uint64_t> in_batch;
    for (auto& item : items) {
        const auto seq = std::visit(
            [](const auto& request) -> std::uint64_t {
                if constexpr (requires { request.event_seq; })
                    return request.event_seq;
                else
                    return 0;
            },
            *item.request);
        if (seq != 0 && in_batch.insert(seq).second) item.undoes = read_posted(connect(), seq);
    }
}

}  // namespace millrace::ledger
