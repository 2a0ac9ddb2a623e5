#include "api/shards.hpp"

#include "api/waiting_requests.hpp"
#include "ledger/lease.hpp"
#include "ledger/poster.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include <pqxx/pqxx>

namespace millrace::api {

using namespace std::chrono_literals;

namespace {

/// So many signatures at once leave a commit's answer waiting for less than half a millisecond.
constexpr std::size_t kLookedAtOnce = 32;
/// Fewer are cheaper to check with those that come after them.
constexpr std::size_t kLookedAtLeast = 16;
constexpr auto kLeaseRetry = 100ms;
/// How often it is seen whether what was put aside may be decided.
constexpr auto kAsidePause = 2ms;

ledger::Time now() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

/// How often a lease is extended while it lasts.
constexpr int kExtensions = 4;

/// Extends a lease while the channels of its shard are loaded, which may take longer than it lasts.
std::jthread keep(const std::string& postgres, const ledger::HeldLease& lease) {
    return std::jthread([postgres, lease](const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any wake;
        std::unique_lock lock(mutex);
        try {
            pqxx::connection connection(postgres);
            do wake.wait_for(lock, stop, lease.duration / kExtensions, [] { return false; });
            while (!stop.stop_requested() && ledger::extend_lease(connection, lease, now()));
        } catch (const std::exception& error) {
            // The shard meets the same, and ends for it.
            spdlog::warn("the lease of shard {} is not extended: {}", lease.shard, error.what());
        }
    });
}

/// Times the stages of one shard's batches.
class BatchTimes {
public:
    using BatchStage = ledger::BatchStage;

    explicit BatchTimes(const ShardsSettings& settings)
        : clock_(settings.worked), waited_(settings.waited) {}

    void enter(BatchStage stage) {
        const auto cpu = clock_.enter(stage_of(stage));
        const bool waits = stage == BatchStage::turn || stage == BatchStage::commit;
        if (!waits && !waits_for_) return;
        const auto now = std::chrono::steady_clock::now();
        // What it did itself, such as sending a long batch, was no waiting.
        if (waits_for_) waited_(*waits_for_, std::max(0ns, now - since_ - cpu));
        waits_for_.reset();
        if (waits) waits_for_ = stage == BatchStage::turn ? CommitWait::turn : CommitWait::database;
        since_ = now;
    }

private:
    static Stage stage_of(BatchStage stage) {
        switch (stage) {
            case BatchStage::decide:
                return Stage::decide;
            case BatchStage::verify:
                return Stage::verify;
            case BatchStage::turn:
            case BatchStage::commit:
                return Stage::commit;
            case BatchStage::publish:
                break;
        }
        return Stage::reply;
    }

    StageClock clock_;
    std::function<void(CommitWait, std::chrono::nanoseconds)> waited_;
    std::optional<CommitWait> waits_for_;
    std::chrono::steady_clock::time_point since_;
};

}  // namespace

struct Shards::Worker {
    explicit Worker(const ShardsSettings& settings) {
        if (settings.worked && settings.waited) times.emplace(settings);
    }
    void enter(ledger::BatchStage stage) {
        if (times) times->enter(stage);
    }
    /// With the mutex held.
    std::size_t queued() const { return arriving.size() + taken; }

    std::optional<BatchTimes> times;
    std::unique_ptr<ledger::Shard> shard;
    std::mutex mutex;
    std::condition_variable arrived;
    std::vector<ledger::Request> arriving;
    /// Of those that have arrived, so many are the thread's own by now, and in no batch yet.
    std::atomic<std::size_t> taken = 0;
    bool closing = false;
    std::thread thread;
};

Shards::Shards(ShardsSettings settings, ledger::Assets assets, Deliver deliver, Publish publish,
               Fatal fatal)
    : settings_(std::move(settings)),
      assets_(std::move(assets)),
      deliver_(std::move(deliver)),
      fatal_(std::move(fatal)) {
    order_.published = std::move(publish);
}

Shards::~Shards() {
    stop();
}

bool Shards::start(const std::function<void(const std::string& holder)>& waiting) {
    pqxx::connection connection(settings_.postgres);
    const auto count = ledger::prepare_shards(
        connection, static_cast<std::int16_t>(settings_.shards_wanted), now());
    bool told = false;
    for (std::int16_t shard = 0; shard < count; ++shard) {
        std::optional<ledger::HeldLease> lease;
        while (!(lease = ledger::take_lease(connection, shard, settings_.holder,
                                            settings_.lease_duration, now()))) {
            if (stopping_) return false;
            if (!std::exchange(told, true)) waiting(ledger::lease_holder(connection, shard));
            std::this_thread::sleep_for(kLeaseRetry);
        }
        auto worker = std::make_unique<Worker>(settings_);
        const auto kept = keep(settings_.postgres, *lease);
        if (!post_leftovers()) return false;
        worker->shard = std::make_unique<ledger::Shard>(
            ledger::ShardSettings{settings_.postgres, shard, count, settings_.limits,
                                  settings_.checking, settings_.commit_timeout,
                                  settings_.key_tables_max / static_cast<std::size_t>(count),
                                  settings_.post_later,
                                  [&worker = *worker](auto stage) { worker.enter(stage); }},
            assets_, *lease, order_);
        // From here on its own thread keeps the lease while the next ones are waited for.
        auto& ready = *workers_.emplace_back(std::move(worker));
        ready.thread = std::thread([this, &ready] { run(ready); });
    }
    return true;
}

/// What the last holder of a lease has acknowledged is part of what is loaded. Its own posting may
/// be under way still, on a host that is lost. False when `stop` was called meanwhile.
bool Shards::post_leftovers() const {
    for (std::string told; !stopping_; std::this_thread::sleep_for(kLeaseRetry)) {
        try {
            ledger::post_all(settings_.postgres, settings_.commit_timeout);
            return true;
        } catch (const std::exception& error) {
            if (told != error.what())
                spdlog::error("payments of an earlier process cannot be posted yet: {}",
                              error.what());
            told = error.what();
        }
    }
    return false;
}

std::vector<ledger::Request> Shards::submit(std::vector<ledger::Request> requests) {
    const auto count = static_cast<std::int16_t>(workers_.size());
    std::vector<std::vector<ledger::Request>> of_shard(workers_.size());
    for (auto& request : requests) {
        const auto* id = channel_of(request);
        of_shard[id ? ledger::shard_of(*id, count) : 0].push_back(std::move(request));
    }
    std::vector<ledger::Request> refused;
    for (std::size_t shard = 0; shard < of_shard.size(); ++shard) {
        auto& mine = of_shard[shard];
        if (mine.empty()) continue;
        auto& worker = *workers_[shard];
        std::unique_lock lock(worker.mutex);
        const auto queued = std::min(worker.queued(), settings_.queue_max);
        const auto room = worker.closing ? 0 : settings_.queue_max - queued;
        const auto fitting =
            mine.begin() + static_cast<std::ptrdiff_t>(std::min(room, mine.size()));
        std::move(mine.begin(), fitting, std::back_inserter(worker.arriving));
        lock.unlock();
        std::move(fitting, mine.end(), std::back_inserter(refused));
        if (fitting != mine.begin()) worker.arrived.notify_one();
    }
    return refused;
}

/// What has to wait until all that was acknowledged is posted does not keep others waiting.
std::vector<ledger::Request> Shards::take_batch(const ledger::Shard& shard,
                                                WaitingRequests& waiting, bool closing) {
    auto& backlog = order_.backlog;
    if (waiting.has_aside() && (closing || backlog.drain())) return waiting.take_aside();
    const bool must_wait = !closing && !backlog.is_short();
    return waiting.take_next(
        [&](const auto& request) { return must_wait && shard.needs_ledger(request); });
}

void Shards::run(Worker& worker) {
    const auto heartbeat = settings_.lease_duration / kExtensions;
    auto kept = now();
    std::vector<ledger::Request> arrived;
    WaitingRequests waiting;
    // Where later vouchers cover most of the others, what is checked ahead is covered as well, when
    // its batch comes.
    bool looking_pays = false;
    const auto take_arrived = [&](std::unique_lock<std::mutex> lock) {
        arrived.swap(worker.arriving);
        worker.taken += arrived.size();
        lock.unlock();
        waiting.add(arrived);
    };
    const ledger::Shard::Meanwhile look_ahead = [&] {
        take_arrived(std::unique_lock(worker.mutex));
        const auto next = waiting.look_ahead(kLookedAtLeast, kLookedAtOnce);
        if (!next.empty()) worker.shard->check_ahead(next, now());
        return !next.empty();
    };
    try {
        for (;;) {
            std::unique_lock lock(worker.mutex);
            if (waiting.has_none_next())
                worker.arrived.wait_for(lock, waiting.has_aside() ? kAsidePause : heartbeat,
                                        [&] { return worker.closing || !worker.arriving.empty(); });
            const bool closing = worker.closing;
            take_arrived(std::move(lock));
            auto batch = take_batch(*worker.shard, waiting, closing);
            worker.taken = waiting.size();
            if (batch.empty() && closing) break;
            if (now() - kept >= heartbeat) {
                worker.shard->keep_lease(now());
                kept = now();
            }
            if (batch.empty()) continue;
            std::map<std::uint32_t, std::vector<ledger::Answer>> by_gateway;
            const auto size = batch.size();
            const auto begun = std::chrono::steady_clock::now();
            const auto checked_before = worker.shard->signatures_checked();
            auto decided = worker.shard->process(
                std::move(batch), now(), looking_pays ? look_ahead : ledger::Shard::Meanwhile{});
            looking_pays = 2 * (worker.shard->signatures_checked() - checked_before) >= size;
            worker.enter(ledger::BatchStage::publish);
            for (auto& answer : decided)
                by_gateway[answer.reply_to.gateway].push_back(std::move(answer));
            if (settings_.observed)
                settings_.observed(size, std::chrono::steady_clock::now() - begun);
            for (auto& [gateway, answers] : by_gateway) deliver_(gateway, std::move(answers));
            if (const auto error = worker.shard->take_error(); !error.empty())
                spdlog::error("the database refused a batch or cannot be reached: {}", error);
        }
        worker.shard->release_lease(now());
    } catch (const std::exception& error) {
        fatal_(error.what());
    }
}

void Shards::stop() {
    stopping_ = true;
    for (auto& worker : workers_) {
        {
            const std::lock_guard lock(worker->mutex);
            worker->closing = true;
        }
        worker->arrived.notify_one();
    }
    for (auto& worker : workers_)
        if (worker->thread.joinable()) worker->thread.join();
}

std::size_t Shards::channel_count() const {
    std::size_t sum = 0;
    for (const auto& worker : workers_) sum += worker->shard->channel_count();
    return sum;
}

std::uint64_t Shards::signatures_checked() const {
    std::uint64_t sum = 0;
    for (const auto& worker : workers_) sum += worker->shard->signatures_checked();
    return sum;
}

std::size_t Shards::queued() const {
    std::size_t sum = 0;
    for (const auto& worker : workers_) {
        const std::lock_guard lock(worker->mutex);
        sum += worker->queued();
    }
    return sum;
}

}  // namespace millrace::api
