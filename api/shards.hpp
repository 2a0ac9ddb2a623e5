#pragma once

#include "api/stage_clock.hpp"
#include "ledger/request.hpp"
#include "ledger/shard.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace millrace::api {

class WaitingRequests;

struct ShardsSettings {
    std::string postgres;
    unsigned shards_wanted = 1;
    channel::Limits limits;
    ledger::Checking checking = ledger::Checking::newest_first;
    /// Of all shards together.
    std::size_t key_tables_max = 4096;
    std::size_t queue_max = 65'536;
    std::chrono::milliseconds lease_duration{5000};
    std::chrono::milliseconds commit_timeout{5000};
    /// Payments are acknowledged before they are posted.
    bool post_later = false;
    /// Names this process in the lease table.
    std::string holder;
    /// Told on a shard's thread of each batch's size and the time it took, if there is anybody.
    std::function<void(std::size_t requests, std::chrono::nanoseconds took)> observed{};
    /// Told the same way of the CPU time of each stage of a batch.
    std::function<void(Stage stage, std::chrono::nanoseconds cpu)> worked{};
    /// And of the time that passed while the shard had nothing to do itself.
    std::function<void(CommitWait what, std::chrono::nanoseconds time)> waited{};
};

/// One thread per shard, each with a mailbox: takes all that waits, has it decided and committed,
/// hands the answers on, and begins again.
class Shards {
public:
    /// Called on a shard's thread with the answers of a batch for one gateway, after commit.
    using Deliver = std::function<void(std::uint32_t gateway, std::vector<ledger::Answer>)>;
    /// Called on a shard's thread with every committed answer in commit order, before delivery.
    using Publish = std::function<void(std::span<const ledger::Answer>)>;
    /// Called by each shard whose lease is lost or that cannot go on; the process has to end.
    using Fatal = std::function<void(const std::string& why)>;

    Shards(ShardsSettings settings, ledger::Assets assets, Deliver deliver, Publish publish,
           Fatal fatal);
    ~Shards();

    /// Waits for all leases, loads all channels and starts the threads. `waiting` is told once
    /// whose lease is waited for; a process that was killed frees its lease by expiry. Throws
    /// pqxx::failure. False when `stop` was called meanwhile.
    bool start(const std::function<void(const std::string& holder)>& waiting);

    /// Makes a `start` that waits for a lease give up; from any thread, at any time.
    void give_up_waiting() { stopping_ = true; }

    /// Queues requests, each for the shard of its channel. Gives back those whose shard's queue was
    /// full.
    std::vector<ledger::Request> submit(std::vector<ledger::Request> requests);

    /// Decides what is queued, then stops the threads and releases the leases.
    void stop();

    /// For writers beside the shards (settlement): a turn is to be had while committing what
    /// takes a seq.
    ledger::CommitOrder& commit_order() { return order_; }

    std::size_t channel_count() const;
    std::uint64_t signatures_checked() const;
    std::size_t queued() const;

private:
    struct Worker;
    bool post_leftovers() const;
    std::vector<ledger::Request> take_batch(const ledger::Shard& shard, WaitingRequests& waiting,
                                            bool closing);
    void run(Worker& worker);

    ShardsSettings settings_;
    ledger::Assets assets_;
    Deliver deliver_;
    Fatal fatal_;
    ledger::CommitOrder order_;
    std::atomic<bool> stopping_ = false;
    std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace millrace::api
