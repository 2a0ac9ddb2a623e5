#pragma once

#include "api/task.hpp"
#include "ledger/request.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace millrace::api {

class Shards;

/// Asks the shards from a coroutine and waits for their answers. Used on one thread, save for
/// `deliver`.
class ShardCalls {
public:
    /// Answers come to `gateway`.
    ShardCalls(boost::asio::any_io_executor executor, Shards& shards, std::uint32_t gateway);
    ~ShardCalls();

    /// The answers in the order of the requests, once all are there. What the shards do not take or
    /// do not answer in time is refused as `overloaded` or `unavailable`; a request that was not
    /// answered may have been carried out all the same.
    Task<std::vector<ledger::Answer>> call(std::vector<ledger::Request> requests);
    Task<ledger::Answer> call_one(ledger::Request request);

    /// From any thread.
    void deliver(std::vector<ledger::Answer> answers);

    /// Ends all waiting.
    void close();

private:
    struct Pending;
    struct Place {
        Pending* pending;
        std::size_t index;
    };
    void take(std::vector<ledger::Answer>& answers);

    boost::asio::any_io_executor executor_;
    Shards& shards_;
    std::uint32_t gateway_;
    std::uint64_t last_id_ = 0;
    bool closed_ = false;
    std::unordered_map<std::uint64_t, Place> places_;
};

}  // namespace millrace::api
