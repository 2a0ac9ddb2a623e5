#pragma once

#include "api/config.hpp"
#include "api/metrics.hpp"
#include "ledger/proof/sealer.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace millrace::api {

/// Seals what is committed, on a thread and a connection of its own, so that no payment waits for
/// it. What fails is tried again: the log falls behind meanwhile, and nothing else.
class Sealing {
public:
    /// Throws ConfigError when `config.state_file` holds something else than a head of this log.
    Sealing(std::string postgres, ledger::NoteSigner signer, const TransparencyConfig& config,
            const ledger::Assets& assets, Metrics& metrics);
    ~Sealing();
    Sealing(const Sealing&) = delete;
    Sealing& operator=(const Sealing&) = delete;

    void start();
    /// Called by whoever posts with what was posted, in the order of its numbers, until `stop`; costs
    /// nothing but this call. What is too much to hold is read from the database.
    void hand_over(ledger::CommittedBatch batch);
    /// Waits for what is under way. Safe to repeat. Afterwards nothing that was handed over is
    /// looked at any more.
    void stop();
    /// After `stop`, and when no writer is left: seals the rest, from the database.
    void finish();

private:
    void run();
    /// False when there may be more to seal at once.
    bool seal_once();
    void keep_head() const;
    void take_handed();
    bool pause(std::chrono::milliseconds duration);

    std::string postgres_;
    ledger::Sealer sealer_;
    TransparencyConfig config_;
    const ledger::Assets& assets_;
    Metrics& metrics_;
    /// Of the sealing thread alone.
    std::deque<ledger::CommittedBatch> held_;
    std::unique_ptr<pqxx::connection> connection_;
    std::uint64_t size_ = 0;
    std::string trouble_;

    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::deque<ledger::CommittedBatch> handed_;
    std::uint64_t handed_numbers_ = 0;
    std::thread thread_;
};

}  // namespace millrace::api
