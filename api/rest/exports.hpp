#pragma once

#include "api/task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include <pqxx/pqxx>

namespace millrace::api::rest {

/// Threads for exports alone: a statement that sums up from the beginning may take minutes, and the
/// few threads of `Database` are there for every request.
class Exports {
public:
    /// Each holds a connection and a snapshot for as long as its peer takes to read.
    static constexpr int kAtOnce = 2;
    /// Nothing is vacuumed behind an open snapshot, and a peer may read as slowly as it likes. In
    /// an hour a journal of some hundred million numbers is through; a longer one goes in parts.
    static constexpr std::chrono::hours kLongest{1};

    /// `longest`: so long one export may take in all.
    Exports(std::chrono::milliseconds longest = kLongest);
    ~Exports();
    Exports(const Exports&) = delete;
    Exports& operator=(const Exports&) = delete;

    /// One of the places, as long as it lives, which may be longer than this does.
    using Place = std::shared_ptr<void>;
    /// Null when all are taken.
    Place take_place();
    std::chrono::milliseconds longest() const { return longest_; }

    /// `work()` on a thread of these; its result, or its exception, in the calling coroutine.
    template <class Work>
    auto run(Work work) -> Task<decltype(work())> {
        using Value = decltype(work());
        co_return co_await boost::asio::co_spawn(pool_, on_thread<Value, Work>(std::move(work)),
                                                 boost::asio::use_awaitable);
    }

    /// While it lives, a stop cancels what the connection is asked. Throws pqxx::failure when
    /// the service stops already.
    class Running {
    public:
        Running(Exports& exports, pqxx::connection& connection);
        ~Running();
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;

    private:
        Exports& exports_;
        pqxx::connection& connection_;
    };

    /// Cancels what is under way, and waits for it; from then on everything fails. Safe to repeat.
    void stop();

private:
    template <class Value, class Work>
    static Task<Value> on_thread(Work work) {
        co_return work();
    }

    std::chrono::milliseconds longest_;
    std::shared_ptr<std::atomic<int>> taken_;
    boost::asio::thread_pool pool_;
    std::mutex mutex_;
    std::condition_variable ended_;
    std::set<pqxx::connection*> running_;
    bool stopping_ = false;
};

}  // namespace millrace::api::rest
