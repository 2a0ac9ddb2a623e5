#include "ledger/commit_order.hpp"

#include <pqxx/pqxx>

namespace millrace::ledger {
namespace {

/// Shorter than a lease lasts.
constexpr std::chrono::seconds kPatience{2};

/// A settlement has time: nobody behind it is kept waiting for more than a few payments.
CommitOrder& drained(CommitOrder& order, CommitOrder::Commits commits) {
    if (commits == CommitOrder::Commits::settlement) order.backlog.wait_until_drained();
    return order;
}

}  // namespace

CommitOrder::Turn::Turn(CommitOrder& order, Place) : order_(order) {
    std::unique_lock lock(order_.mutex_);
    const auto place = order_.places_taken_++;
    order_.ended_.wait(lock, [&] { return order_.turns_ended_ == place; });
}

CommitOrder::Turn::Turn(CommitOrder& order, Commits commits)
    : Turn(drained(order, commits), Place{}) {
    if (commits == Commits::to_backlog || order.backlog.wait_until_posted(kPatience)) return;
    if (commits == Commits::to_ledger)
        throw pqxx::failure("payments that are acknowledged wait to be posted");
}

CommitOrder::Turn::~Turn() {
    {
        const std::lock_guard lock(order_.mutex_);
        ++order_.turns_ended_;
    }
    order_.ended_.notify_all();
}

}  // namespace millrace::ledger
