#pragma once

#include "channel/bytes.hpp"
#include "channel/network.hpp"

#include <atomic>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>

namespace millrace::api {

/// The channels whose vouchers their payer, a contract, has to be asked about. Any thread may look;
/// while there are none, which is usual, that costs nothing.
class WalletChannels {
public:
    struct Wallet {
        channel::Network network;
        channel::Address address;
        channel::Address receiver_authorizer;
    };

    void add(const channel::ChannelId& channel, const Wallet& wallet) {
        const std::unique_lock lock(mutex_);
        wallets_.insert_or_assign(channel, wallet);
        any_.store(true, std::memory_order_release);
    }

    std::optional<Wallet> find(const channel::ChannelId& channel) const {
        if (!any_.load(std::memory_order_acquire)) return std::nullopt;
        const std::shared_lock lock(mutex_);
        const auto found = wallets_.find(channel);
        if (found == wallets_.end()) return std::nullopt;
        return found->second;
    }

private:
    mutable std::shared_mutex mutex_;
    std::atomic<bool> any_ = false;
    std::unordered_map<channel::ChannelId, Wallet> wallets_;
};

}  // namespace millrace::api
