#include "api/ending.hpp"

#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <utility>

namespace millrace::api {

Ending::Ending(std::function<void()> asked)
    : asked_(std::move(asked)), signals_(context_, SIGTERM, SIGINT) {
    watch_signals();
    thread_ = std::thread([this] { context_.run(); });
}

Ending::~Ending() {
    context_.stop();
    thread_.join();
}

void Ending::watch_signals() {
    signals_.async_wait([this](boost::system::error_code error, int signal) {
        if (error) return;
        bool again = false;
        {
            const std::lock_guard lock(mutex_);
            again = exit_code_.has_value();
        }
        if (again) std::_Exit(128 + signal);
        spdlog::info("ending on {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
        watch_signals();
        ask(0);
    });
}

void Ending::ask(int exit_code) {
    {
        const std::lock_guard lock(mutex_);
        if (exit_code_) return;
        exit_code_ = exit_code;
    }
    changed_.notify_all();
    asked_();
}

int Ending::wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return exit_code_.has_value(); });
    return *exit_code_;
}

}  // namespace millrace::api
