#include "api/cli/dev.hpp"

#include "api/cli/dev/stack.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace millrace::api {
namespace {

constexpr int kStepMilliseconds = 30;
constexpr int kLookMilliseconds = 1000;

/// The signals that concern the stack, taken one after the other instead of wherever the program
/// happens to be.
class Signals {
public:
    Signals() {
        sigset_t wanted;
        sigemptyset(&wanted);
        for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&wanted, signal);
        sigprocmask(SIG_BLOCK, &wanted, &before_);
        descriptor_ = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
        if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
        std::signal(SIGPIPE, SIG_IGN);
    }
    ~Signals() {
        close(descriptor_);
        sigprocmask(SIG_SETMASK, &before_, nullptr);
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    /// Waits for a signal, not longer than this. True once the stack is asked to stop.
    bool wait(int milliseconds) {
        pollfd ready{descriptor_, POLLIN, 0};
        poll(&ready, 1, milliseconds);
        signalfd_siginfo told{};
        while (read(descriptor_, &told, sizeof told) == sizeof told)
            stopping_ = stopping_ || told.ssi_signo != SIGCHLD;
        return stopping_;
    }

private:
    sigset_t before_{};
    int descriptor_ = -1;
    bool stopping_ = false;
};

void print_line(const std::string& line) {
    std::fputs((line + '\n').c_str(), stdout);
    std::fflush(stdout);
}

}  // namespace

int run_dev(const DevOptions& options) {
    Signals signals;
    DevStack stack(options);
    bool up = false;
    while (!signals.wait(up ? kLookMilliseconds : kStepMilliseconds)) {
        const bool was_up = up;
        up = up ? stack.alive() : stack.advance();
        if (up && !was_up) print_line(stack.announce());
    }
    stack.stop();
    return 0;
}

}  // namespace millrace::api
