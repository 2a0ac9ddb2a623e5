#pragma once

#include "ledger/asset.hpp"
#include "ledger/batch_stage.hpp"
#include "ledger/channel_batch.hpp"
#include "ledger/commit_order.hpp"
#include "ledger/lease.hpp"
#include "ledger/request.hpp"
#include "ledger/time.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace millrace::ledger {

struct ShardSettings {
    std::string postgres;
    std::int16_t shard = 0;
    std::int16_t shard_count = 1;
    channel::Limits limits;
    Checking checking = Checking::newest_first;
    /// So long each answer of the database is waited for. What was not sent then is refused as
    /// unavailable; what may have been committed is asked for until that is known.
    std::chrono::milliseconds commit_timeout{5000};
    /// Of keys that sign often: 53 KiB each.
    std::size_t key_tables_max = 1024;
    /// Batches of payments are answered as soon as they are acknowledged, and posted by somebody
    /// else: `CommitOrder::backlog` is told. Otherwise they are written to the ledger's tables.
    bool post_later = false;
    /// Told within `process` what it goes over to, by the shard's thread, if there is anybody.
    std::function<void(BatchStage)> entered{};
};

/// Which of `shard_count` shards a channel belongs to.
std::int16_t shard_of(const channel::ChannelId& id, std::int16_t shard_count);

/// The single writer of its channels. Holds them in memory, decides batches and commits each in
/// one transaction, fenced by the lease's epoch. Blocking; used by one thread.
class Shard {
public:
    /// Loads the shard's channels. `lease` must be held. Throws pqxx::failure when the database
    /// cannot be read.
    Shard(ShardSettings settings, Assets assets, HeldLease lease, CommitOrder& order);
    ~Shard();

    /// Work that does not wait for the database: asked for again and again while a batch of
    /// payments is being acknowledged, at once while it returns true, which is that there is more
    /// of it. Of this shard it may call `check_ahead` alone.
    using Meanwhile = std::function<bool()>;

    /// Decides all requests in order, checks signatures newest first per channel, commits, and
    /// only then answers: one answer per request, in order. When the database fails, nothing was
    /// committed or the answer says what was; requests in doubt are resolved by the batch number,
    /// never guessed. Throws LeaseLost when another process has taken the shard over.
    std::vector<Answer> process(std::vector<Request> batch, Time now,
                                const Meanwhile& meanwhile = {});

    /// Checks the signatures of requests that wait for a later batch, and marks those that are
    /// good.
    void check_ahead(std::span<Request* const> waiting, Time now);

    /// It is not decided before all that was acknowledged earlier is posted: whatever is no
    /// payment, and a payment that by itself may be a repeat. (So is one of several steps of an
    /// inference in the same batch, which is not seen here.)
    bool needs_ledger(const Request& request) const;

    /// Extends the lease without a batch. Throws LeaseLost.
    void keep_lease(Time now);
    void release_lease(Time now);

    /// What the database last refused or why it could not be reached, once; empty when all is well.
    std::string take_error();

    std::size_t channel_count() const;
    /// Signature checks since the start, for the metrics.
    std::uint64_t signatures_checked() const;

private:
    class Engine;
    std::unique_ptr<Engine> engine_;
};

}  // namespace millrace::ledger
