#pragma once

#include "api/cli/demo/app.hpp"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace millrace::api {

enum class Progress { shown, hidden };

/// A line on standard error that follows the demo while this object lives; on a terminal it is
/// written over, elsewhere a new one comes every few seconds.
class ProgressLine {
public:
    ProgressLine(const DemoProgress& progress, std::uint64_t updates_due, Progress shown);
    ~ProgressLine();
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

private:
    void run();
    void print(double seconds) const;

    const DemoProgress& progress_;
    std::uint64_t updates_due_;
    bool terminal_;
    std::mutex mutex_;
    std::condition_variable ending_;
    bool ended_ = false;
    std::thread thread_;
};

}  // namespace millrace::api
