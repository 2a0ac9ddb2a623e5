#include "api/months_ahead.hpp"

#include "api/clock.hpp"
#include "ledger/partitions.hpp"

#include <spdlog/spdlog.h>

namespace millrace::api {
namespace {

constexpr std::chrono::hours kInterval{24};

}  // namespace

MonthsAhead::MonthsAhead(std::string postgres) : postgres_(std::move(postgres)) {
    make();
    thread_ = std::thread([this] { run(); });
}

MonthsAhead::~MonthsAhead() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    ending_.notify_all();
    thread_.join();
}

void MonthsAhead::make() const {
    try {
        pqxx::connection connection(postgres_);
        const auto made = ledger::make_partitions(connection, now());
        if (!made.empty()) spdlog::info("made partitions {}", made);
    } catch (const std::exception& error) {
        spdlog::error("partitions of the months ahead could not be made: {}", error.what());
    }
}

void MonthsAhead::run() {
    std::unique_lock lock(mutex_);
    while (!ending_.wait_for(lock, kInterval, [this] { return ended_; })) {
        lock.unlock();
        make();
        lock.lock();
    }
}

}  // namespace millrace::api
