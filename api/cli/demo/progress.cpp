#include "api/cli/demo/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include <unistd.h>

namespace millrace::api {
namespace {

constexpr std::chrono::milliseconds kOnTerminal{200};
constexpr std::chrono::milliseconds kElsewhere{2000};
constexpr std::uint64_t kBarWidth = 30;

}  // namespace

ProgressLine::ProgressLine(const DemoProgress& progress, std::uint64_t updates_due, Progress shown)
    : progress_(progress),
      updates_due_(std::max<std::uint64_t>(updates_due, 1)),
      terminal_(isatty(STDERR_FILENO) != 0) {
    if (shown == Progress::shown) thread_ = std::thread([this] { run(); });
}

ProgressLine::~ProgressLine() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    ending_.notify_one();
    thread_.join();
}

void ProgressLine::run() {
    const auto start = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    bool ended = false;
    while (!ended) {
        ended =
            ending_.wait_for(lock, terminal_ ? kOnTerminal : kElsewhere, [this] { return ended_; });
        print(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    if (terminal_) std::fputs("\n", stderr);
}

void ProgressLine::print(double seconds) const {
    const auto done = progress_.acknowledged.load();
    const auto filled = std::min(kBarWidth, done * kBarWidth / updates_due_);
    fmt::print(stderr, "{}[{:#<{}}{: <{}}] {} of {} updates acknowledged, {:.0f}/s{}",
               terminal_ ? "\r" : "", "", filled, "", kBarWidth - filled, done, updates_due_,
               static_cast<double>(done) / std::max(seconds, 0.001), terminal_ ? "  " : "\n");
    std::fflush(stderr);
}

}  // namespace millrace::api
