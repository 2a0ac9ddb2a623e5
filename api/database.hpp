#pragma once

#include "api/task.hpp"
#include "ledger/backlog.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::api {

/// Runs blocking database work off the I/O threads, on a few threads with a connection each.
class Database {
public:
    Database(std::string postgres, unsigned threads);
    ~Database();

    /// From now on all work finds the ledger as it was acknowledged when it was asked for, unless
    /// that cannot be posted.
    void read_after(ledger::Backlog& backlog) { backlog_ = &backlog; }

    /// `work(pqxx::connection&)` on a database thread; its result, or its exception, in the calling
    /// coroutine. A broken connection is replaced before the next use. Work that writes has to be
    /// safe to repeat by the caller: nothing is repeated here.
    template <class Work>
    auto run(Work work) -> Task<decltype(work(std::declval<pqxx::connection&>()))> {
        return run_behind(std::move(work), false);
    }
    /// The same, but where it cannot be posted this fails with pqxx::failure: for readers who must
    /// not miss anything.
    template <class Work>
    auto run_when_posted(Work work) -> Task<decltype(work(std::declval<pqxx::connection&>()))> {
        return run_behind(std::move(work), true);
    }
    /// The same, of the ledger as it is.
    template <class Work>
    auto run_at_once(Work work) -> Task<decltype(work(std::declval<pqxx::connection&>()))> {
        using Value = decltype(work(std::declval<pqxx::connection&>()));
        co_return co_await boost::asio::co_spawn(
            pool_, on_connection<Value, Work>(this, std::move(work)), boost::asio::use_awaitable);
    }

private:
    struct Lent {
        Database* database;
        std::unique_ptr<pqxx::connection> connection;
        ~Lent();
    };

    template <class Value, class Work>
    static Task<Value> on_connection(Database* self, Work work) {
        Lent lent{self, self->take()};
        co_return work(*lent.connection);
    }

    template <class Work>
    auto run_behind(Work work, bool has_to_be_posted)
        -> Task<decltype(work(std::declval<pqxx::connection&>()))> {
        auto later = [this, work = std::move(work),
                      has_to_be_posted](pqxx::connection& connection) mutable {
            if (!wait_for_backlog() && has_to_be_posted)
                throw pqxx::failure("payments wait to be posted");
            return work(connection);
        };
        co_return co_await run_at_once(std::move(later));
    }
    /// False: the ledger is not up to date.
    bool wait_for_backlog();
    std::unique_ptr<pqxx::connection> take();
    void give_back(std::unique_ptr<pqxx::connection> connection);

    std::string postgres_;
    ledger::Backlog* backlog_ = nullptr;
    boost::asio::thread_pool pool_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<pqxx::connection>> idle_;
};

}  // namespace millrace::api
