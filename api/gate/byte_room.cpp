#include "api/gate/byte_room.hpp"

namespace millrace::api::gate {

bool ByteRoom::Share::grow(std::size_t bytes) {
    if (bytes == 0) return true;
    const std::lock_guard lock(room_->mutex_);
    const auto found = room_->by_customer_.find(customer_);
    const auto of_customer = found == room_->by_customer_.end() ? 0 : found->second;
    const auto& limits = room_->limits_;
    if (bytes > limits.bytes_max - room_->held_ ||
        bytes > limits.bytes_per_customer_max - of_customer)
        return false;
    room_->by_customer_[customer_] = of_customer + bytes;
    room_->held_ += bytes;
    bytes_ += bytes;
    return true;
}

void ByteRoom::Share::give_back() {
    if (bytes_ == 0) return;
    const std::lock_guard lock(room_->mutex_);
    room_->held_ -= bytes_;
    const auto found = room_->by_customer_.find(customer_);
    found->second -= bytes_;
    if (found->second == 0) room_->by_customer_.erase(found);
    bytes_ = 0;
}

std::size_t ByteRoom::held() const {
    const std::lock_guard lock(mutex_);
    return held_;
}

}  // namespace millrace::api::gate
