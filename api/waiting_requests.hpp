#pragma once

#include "channel/bytes.hpp"
#include "ledger/request.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <unordered_set>
#include <vector>

namespace millrace::api {

/// What a shard's thread has taken out of its mailbox and not decided yet, in the order of arrival.
/// What has to wait for the ledger is put aside, with whatever comes later on its channel, so that
/// others need not wait with it.
class WaitingRequests {
public:
    using Test = std::function<bool(const ledger::Request&)>;

    /// Takes them out of it.
    void add(std::vector<ledger::Request>& arrived);
    /// All of them.
    std::size_t size() const { return next_.size() + aside_.size(); }
    /// Nothing but what was put aside.
    bool has_none_next() const { return next_.empty(); }
    bool has_aside() const { return !aside_.empty(); }

    /// The oldest, as many as one transaction should hold; what `must_wait` is put aside.
    std::vector<ledger::Request> take_next(const Test& must_wait);
    /// The same of what was put aside.
    std::vector<ledger::Request> take_aside();

    /// The next that were not given out yet to be looked at, if there are `least`; `most` of them.
    std::vector<ledger::Request*> look_ahead(std::size_t least, std::size_t most);

private:
    bool goes_aside(const ledger::Request& request, const Test& must_wait) const;

    std::deque<ledger::Request> next_;
    /// So many of the next were looked at.
    std::size_t looked_at_ = 0;
    std::deque<ledger::Request> aside_;
    std::unordered_set<channel::ChannelId> aside_channels_;
};

}  // namespace millrace::api
