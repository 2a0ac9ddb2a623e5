#include "ledger/commit_order.hpp"

namespace millrace::ledger {

CommitOrder::Turn::Turn(CommitOrder& order, std::optional<std::int64_t> numbers)
    : order_(order), numbers_(numbers) {
    const std::lock_guard lock(order_.mutex_);
    place_ = order_.places_taken_++;
    if (order_.last_ && order_.untold_waiting_ == 0)
        foretold_ = *order_.last_ + order_.numbers_waiting_;
    if (numbers_)
        order_.numbers_waiting_ += *numbers_;
    else
        ++order_.untold_waiting_;
}

CommitOrder::Turn::Turn(CommitOrder& order, std::int64_t numbers)
    : Turn(order, std::optional(numbers)) {}

CommitOrder::Turn::Turn(CommitOrder& order) : Turn(order, std::nullopt) {
    wait();
}

CommitOrder::Turn::~Turn() {
    {
        std::unique_lock lock(order_.mutex_);
        // Whoever gives up before its turn has come waits all the same: others count on the order.
        order_.ended_.wait(lock, [this] { return order_.turns_ended_ == place_; });
        if (numbers_)
            order_.numbers_waiting_ -= *numbers_;
        else
            --order_.untold_waiting_;
        order_.last_ = last_;
        ++order_.turns_ended_;
    }
    order_.ended_.notify_all();
}

bool CommitOrder::Turn::has_come() const {
    const std::lock_guard lock(order_.mutex_);
    return order_.turns_ended_ == place_;
}

void CommitOrder::Turn::wait() {
    std::unique_lock lock(order_.mutex_);
    order_.ended_.wait(lock, [this] { return order_.turns_ended_ == place_; });
    if (order_.last_ != foretold_) foretold_.reset();
}

std::optional<std::int64_t> CommitOrder::Turn::foretold() const {
    return foretold_;
}

void CommitOrder::Turn::took_numbers_until(std::int64_t last) {
    last_ = last;
}

}  // namespace millrace::ledger
