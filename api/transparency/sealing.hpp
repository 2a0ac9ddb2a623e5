#pragma once

#include "api/config.hpp"
#include "api/metrics.hpp"
#include "ledger/proof/sealer.hpp"

#include <chrono>
#include <condition_variable>
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
            Metrics& metrics);
    ~Sealing();
    Sealing(const Sealing&) = delete;
    Sealing& operator=(const Sealing&) = delete;

    void start();
    /// Waits for what is under way. Safe to repeat.
    void stop();

private:
    void run();
    /// False when there may be more to seal at once.
    bool seal_once();
    void keep_head() const;
    bool pause(std::chrono::milliseconds duration);

    std::string postgres_;
    ledger::Sealer sealer_;
    TransparencyConfig config_;
    Metrics& metrics_;
    std::unique_ptr<pqxx::connection> connection_;
    std::uint64_t size_ = 0;
    std::string trouble_;

    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace millrace::api
