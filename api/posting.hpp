#pragma once

#include "api/metrics.hpp"
#include "ledger/commit_order.hpp"
#include "ledger/poster.hpp"

#include <chrono>
#include <string>
#include <thread>

namespace millrace::api {

/// Posts what the shards acknowledge to the tables of the ledger, on a thread of its own.
class Posting {
public:
    /// What is acknowledged is posted `within` this time, or sooner when somebody waits for it.
    Posting(std::string postgres, std::chrono::milliseconds commit_timeout,
            std::chrono::milliseconds within, ledger::CommitOrder& order, Metrics& metrics);
    ~Posting();

    void start();
    /// Posts what is left, then stops.
    void stop();

private:
    void run();
    void post();

    std::chrono::milliseconds within_;
    ledger::Poster poster_;
    ledger::CommitOrder& order_;
    Metrics& metrics_;
    std::string trouble_;
    std::thread thread_;
};

}  // namespace millrace::api
