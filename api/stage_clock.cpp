#include "api/stage_clock.hpp"

#include <ctime>

namespace millrace::api {
namespace {

std::chrono::nanoseconds cpu_of_this_thread() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

}  // namespace

std::string_view to_string(Stage stage) {
    switch (stage) {
        case Stage::parse:
            return "parse";
        case Stage::verify:
            return "verify";
        case Stage::decide:
            return "decide";
        case Stage::commit:
            return "commit";
        case Stage::reply:
            return "reply";
        case Stage::other:
            break;
    }
    return "other";
}

std::chrono::nanoseconds StageClock::enter(Stage stage) {
    if (stage_ == stage) return {};
    const auto now = cpu_of_this_thread();
    const auto took = stage_ ? now - since_ : std::chrono::nanoseconds{0};
    if (stage_) book_(*stage_, took);
    stage_ = stage;
    since_ = now;
    return took;
}

}  // namespace millrace::api
