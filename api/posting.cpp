#include "api/posting.hpp"

#include <pthread.h>
#include <spdlog/spdlog.h>

namespace millrace::api {
namespace {

constexpr std::chrono::milliseconds kPauseAfterTrouble{500};

}  // namespace

Posting::Posting(std::string postgres, std::chrono::milliseconds commit_timeout,
                 std::chrono::milliseconds within, ledger::CommitOrder& order, Metrics& metrics)
    : within_(within),
      // Half of a core, then.
      poster_(std::move(postgres), commit_timeout,
              [&order](std::chrono::nanoseconds took) { return order.backlog.rest(took); }),
      order_(order),
      metrics_(metrics) {}

Posting::~Posting() {
    stop();
}

void Posting::start() {
    thread_ = std::thread([this] { run(); });
}

void Posting::stop() {
    order_.backlog.close();
    if (thread_.joinable()) thread_.join();
}

void Posting::run() {
    pthread_setname_np(pthread_self(), "millrace-post");
    while (order_.backlog.wait_for_work(within_)) {
        try {
            post();
            if (!trouble_.empty()) spdlog::info("payments are posted again");
            trouble_.clear();
        } catch (const std::exception& error) {
            if (trouble_ != error.what())
                spdlog::error("payments that are acknowledged cannot be posted: {}", error.what());
            trouble_ = error.what();
            metrics_.posting_failures.Increment();
            order_.backlog.failed();
            if (order_.backlog.wait_for_close(kPauseAfterTrouble)) {
                spdlog::warn("what is acknowledged and not posted is posted by the next start");
                return;
            }
        }
    }
}

void Posting::post() {
    auto posted = poster_.post(order_.backlog.is_much() ? ledger::Poster::kPaymentsOfMuch
                                                        : ledger::Poster::kPaymentsMax);
    if (posted && order_.posted) order_.posted(std::move(*posted));
    order_.backlog.posted(poster_.seq());
}

}  // namespace millrace::api
