#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace millrace::api {

/// The end of the process: SIGTERM and SIGINT ask for it, and whoever cannot go on. A second signal
/// ends the process on the spot.
class Ending {
public:
    /// `asked` is called once, from another thread, when the end is asked for.
    explicit Ending(std::function<void()> asked);
    ~Ending();

    /// The first code that is given stands.
    void ask(int exit_code);
    /// Waits for the first `ask`, and gives its code.
    int wait();

private:
    void watch_signals();

    std::function<void()> asked_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<int> exit_code_;
    boost::asio::io_context context_{1};
    boost::asio::signal_set signals_;
    std::thread thread_;
};

}  // namespace millrace::api
