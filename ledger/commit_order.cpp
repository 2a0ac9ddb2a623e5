#include "ledger/commit_order.hpp"

#include <pqxx/pqxx>

namespace millrace::ledger {

CommitOrder::Place::Place(CommitOrder& order) : order_(order) {
    std::unique_lock lock(order_.mutex_);
    const auto place = order_.places_taken_++;
    order_.ended_.wait(lock, [&] { return order_.turns_ended_ == place; });
}

CommitOrder::Place::~Place() {
    {
        const std::lock_guard lock(order_.mutex_);
        ++order_.turns_ended_;
    }
    order_.ended_.notify_all();
}

CommitOrder::Turn::Turn(CommitOrder& order, Commits commits) {
    // It has time: nobody behind it is kept waiting for more than a few payments.
    if (commits == Commits::settlement) order.backlog.wait_until_drained();
    place_.emplace(order);
    if (commits == Commits::to_backlog || order.backlog.wait_until_posted(Backlog::kPatience))
        return;
    if (commits == Commits::to_ledger)
        throw pqxx::failure("payments that are acknowledged wait to be posted");
}

}  // namespace millrace::ledger
