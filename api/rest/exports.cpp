#include "api/rest/exports.hpp"

#include <spdlog/spdlog.h>

namespace millrace::api::rest {
namespace {

constexpr std::chrono::milliseconds kCancelInterval{50};

void cancel(pqxx::connection& connection) {
    try {
        connection.cancel_query();
    } catch (const std::exception& error) {
        // Its server cannot be reached; the statement then fails by itself.
        spdlog::warn("an export's statement cannot be cancelled: {}", error.what());
    }
}

}  // namespace

Exports::Exports(std::chrono::milliseconds longest)
    : longest_(longest), taken_(std::make_shared<std::atomic<int>>(0)), pool_(kAtOnce) {}

Exports::~Exports() {
    stop();
    pool_.join();
}

Exports::Place Exports::take_place() {
    const bool is_free = ++*taken_ <= kAtOnce;
    Place place(taken_.get(), [taken = taken_](void*) { --*taken; });
    return is_free ? place : nullptr;
}

Exports::Running::Running(Exports& exports, pqxx::connection& connection)
    : exports_(exports), connection_(connection) {
    const std::lock_guard lock(exports_.mutex_);
    // As when the database goes: whoever asks is told to try again.
    if (exports_.stopping_) throw pqxx::failure("no export any more: the service stops");
    exports_.running_.insert(&connection_);
}

Exports::Running::~Running() {
    const std::lock_guard lock(exports_.mutex_);
    exports_.running_.erase(&connection_);
    exports_.ended_.notify_all();
}

void Exports::stop() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    // A cancel that falls between two statements does nothing, hence again until all have ended.
    do {
        for (auto* connection : running_) cancel(*connection);
    } while (!ended_.wait_for(lock, kCancelInterval, [this] { return running_.empty(); }));
}

}  // namespace millrace::api::rest
