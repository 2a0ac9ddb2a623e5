#pragma once

#include "api/task.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <list>

namespace millrace::api {

/// Wakes all coroutines of one thread that wait for something to happen.
class Bell {
public:
    /// `executor` is single-threaded, and all calls are made on it.
    explicit Bell(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

    /// Until it rings the next time, or the deadline has come.
    Task<void> wait(std::chrono::steady_clock::time_point deadline);
    void ring();

private:
    struct Waiting;
    boost::asio::any_io_executor executor_;
    std::list<Waiting*> waiting_;
};

}  // namespace millrace::api
