#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace millrace::api::gate {

/// How many bytes are held for clients, bounded in all and for each customer of the network. Used
/// by several threads; outlives its shares.
class ByteRoom {
public:
    struct Limits {
        std::size_t bytes_max;
        std::size_t bytes_per_customer_max;
    };
    explicit ByteRoom(Limits limits) : limits_(limits) {}

    /// What is held for one request; given back when it is destroyed.
    class Share {
    public:
        Share() = default;
        /// `customer` as `customer_of` has it.
        Share(ByteRoom& room, std::string customer)
            : room_(&room), customer_(std::move(customer)) {}
        Share(Share&& other) noexcept
            : room_(other.room_),
              customer_(std::move(other.customer_)),
              bytes_(std::exchange(other.bytes_, 0)) {}
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;
        Share& operator=(Share&& other) noexcept {
            give_back();
            room_ = other.room_;
            customer_ = std::move(other.customer_);
            bytes_ = std::exchange(other.bytes_, 0);
            return *this;
        }
        ~Share() { give_back(); }

        /// So many more. False when there is no room: nothing is taken then.
        bool grow(std::size_t bytes);
        void give_back();

    private:
        ByteRoom* room_ = nullptr;
        std::string customer_;
        std::size_t bytes_ = 0;
    };

    std::size_t held() const;

private:
    const Limits limits_;
    mutable std::mutex mutex_;
    std::size_t held_ = 0;
    std::unordered_map<std::string, std::size_t> by_customer_;
};

}  // namespace millrace::api::gate
