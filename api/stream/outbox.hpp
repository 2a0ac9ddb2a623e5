#pragma once

#include "api/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace millrace::api::stream {

/// Messages on their way out of one connection, filled by its session and its subscriptions and
/// emptied by whoever writes the socket. All on the connection's own thread.
class Outbox {
public:
    /// Full at `bytes_max` bytes that are not sent.
    Outbox(boost::asio::any_io_executor executor, std::size_t bytes_max);

    /// To be appended to; `end` makes what was appended a message. Nothing else may come between.
    std::string& begin();
    void end();
    void push(std::string_view message);

    std::size_t unsent_bytes() const { return queued_.text.size() + taken_bytes_; }
    /// Full: no more is to be read from the peer, and no event to be put here.
    bool is_full() const { return unsent_bytes() >= bytes_max_; }
    bool has_room() const { return unsent_bytes() < bytes_max_ / 2; }
    /// Returns when there is room again, or the connection is gone.
    Task<void> room();

    /// Several messages in one text, each up to its end.
    struct Messages {
        std::string text;
        std::vector<std::size_t> ends;
    };
    bool empty() const { return queued_.ends.empty(); }
    /// Swaps all messages into `taken`, whose content before is forgotten.
    void take(Messages& taken);
    /// What was taken has left.
    void sent();
    /// Returns when there may be something to do for the writer: a message, `wake`, `shut`.
    Task<void> wait();
    void wake();

    /// The connection is gone: nothing is kept any longer, and nobody waits.
    void shut();
    bool is_shut() const { return shut_; }

private:
    std::size_t bytes_max_;
    Messages queued_;
    std::size_t taken_bytes_ = 0;
    bool woken_ = false;
    bool shut_ = false;
    // Never expire: cancelling is the signal.
    boost::asio::steady_timer filled_;
    boost::asio::steady_timer room_;
};

}  // namespace millrace::api::stream
