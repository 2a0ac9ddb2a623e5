#include "api/connections.hpp"

namespace millrace::api {
namespace {

constexpr std::size_t kNetworkBytes = 8;

}  // namespace

std::string customer_of(const boost::asio::ip::address& remote) {
    if (remote.is_v4()) return remote.to_string();
    const auto v6 = remote.to_v6();
    if (v6.is_v4_mapped())
        return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6).to_string();
    const auto bytes = v6.to_bytes();
    return {bytes.begin(), bytes.begin() + kNetworkBytes};
}

Ticket Connections::admit(const boost::asio::ip::address& remote) {
    auto key = customer_of(remote);
    {
        const std::lock_guard lock(mutex_);
        auto& from_there = by_address_[key];
        if (count_ >= most_ || from_there >= most_per_address_) {
            if (from_there == 0) by_address_.erase(key);
            return nullptr;
        }
        ++count_;
        ++from_there;
    }
    return Ticket(this,
                  [key = std::move(key)](Connections* connections) { connections->leave(key); });
}

void Connections::leave(const std::string& key) {
    {
        const std::lock_guard lock(mutex_);
        --count_;
        const auto found = by_address_.find(key);
        if (--found->second == 0) by_address_.erase(found);
    }
    left_.notify_all();
}

std::size_t Connections::count() const {
    const std::lock_guard lock(mutex_);
    return count_;
}

bool Connections::wait_until_none(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return left_.wait_for(lock, patience, [this] { return count_ == 0; });
}

}  // namespace millrace::api
