#include "api/transparency/sealing.hpp"

#include "api/clock.hpp"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace millrace::api {
namespace {

/// In one transaction: some tenths of a second of work, so that a standby or a stop waits no
/// longer.
constexpr std::uint64_t kNumbersMax = 16'384;
constexpr std::chrono::seconds kPauseAfterTrouble{2};
/// Numbers, of some hundred bytes each.
constexpr std::uint64_t kHandedMax = 100'000;

ledger::Sealer open_sealer(ledger::NoteSigner signer, const TransparencyConfig& config) {
    std::ifstream file(config.state_file);
    std::stringstream note;
    if (config.state_file.empty() || !file || !(note << file.rdbuf()))
        return ledger::Sealer(std::move(signer));
    const auto text = ledger::open_note(note.str(), signer.key());
    auto head = text ? ledger::TreeHead::parse(*text) : std::nullopt;
    if (!head)
        throw ConfigError("transparency.state_file: " + config.state_file +
                          " holds no tree head that is signed by " + signer.key().text());
    return ledger::Sealer(std::move(signer), std::move(head));
}

}  // namespace

Sealing::Sealing(std::string postgres, ledger::NoteSigner signer, const TransparencyConfig& config,
                 const ledger::Assets& assets, Metrics& metrics)
    : postgres_(std::move(postgres)),
      sealer_(open_sealer(std::move(signer), config)),
      config_(config),
      assets_(assets),
      metrics_(metrics) {}

Sealing::~Sealing() {
    stop();
}

void Sealing::start() {
    thread_ = std::thread([this] { run(); });
}

void Sealing::hand_over(ledger::CommittedBatch batch) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    handed_numbers_ += batch.numbers;
    handed_.push_back(std::move(batch));
    while (handed_numbers_ > kHandedMax) {
        handed_numbers_ -= handed_.front().numbers;
        handed_.pop_front();
    }
}

/// No more than what is sealed before long.
void Sealing::take_handed() {
    if (!held_.empty() && held_.back().last() - held_.front().base > kHandedMax) return;
    const std::lock_guard lock(mutex_);
    std::move(handed_.begin(), handed_.end(), std::back_inserter(held_));
    handed_.clear();
    handed_numbers_ = 0;
}

void Sealing::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        handed_.clear();
        handed_numbers_ = 0;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
    held_.clear();
}

void Sealing::finish() {
    try {
        while (!seal_once()) {
        }
    } catch (const std::exception& error) {
        spdlog::warn("the transparency log is not sealed to its end, which the next start does: {}",
                     error.what());
    }
}

void Sealing::run() {
    pthread_setname_np(pthread_self(), "millrace-log");
    for (bool going = true; going;) {
        try {
            going = !seal_once() ? pause({}) : pause(config_.seal_interval);
            if (!trouble_.empty()) spdlog::info("the transparency log is sealed again");
            trouble_.clear();
        } catch (const std::exception& error) {
            if (trouble_ != error.what())
                spdlog::error("the transparency log cannot be sealed: {}", error.what());
            trouble_ = error.what();
            metrics_.log_failures.Increment();
            connection_.reset();
            held_.clear();
            going = pause(kPauseAfterTrouble);
        }
    }
}

bool Sealing::seal_once() {
    if (!connection_ || !connection_->is_open())
        connection_ = std::make_unique<pqxx::connection>(postgres_);
    const auto before = size_;
    take_handed();
    size_ = sealer_.seal(*connection_, kNumbersMax, now(), {&held_, &assets_});
    metrics_.log_size.Set(static_cast<double>(size_));
    if (size_ != before) keep_head();
    return size_ - before < kNumbersMax;
}

/// Wholly or not at all; a head that a crash takes back is contained in the next.
void Sealing::keep_head() const {
    if (config_.state_file.empty()) return;
    const auto unfinished = config_.state_file + ".new";
    std::ofstream(unfinished, std::ios::trunc) << sealer_.newest_note();
    std::filesystem::rename(unfinished, config_.state_file);
}

/// False when the service stops.
bool Sealing::pause(std::chrono::milliseconds duration) {
    std::unique_lock lock(mutex_);
    return !wake_.wait_for(lock, duration, [this] { return stopping_; });
}

}  // namespace millrace::api
