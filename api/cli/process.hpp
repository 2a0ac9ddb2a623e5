#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace millrace::api {

/// An unprivileged user to run a program as.
struct RunAs {
    uid_t user = 0;
    gid_t group = 0;
};

struct ProgramCall {
    std::filesystem::path program;
    std::vector<std::string> arguments;
    /// Only for callers that are root.
    std::optional<RunAs> run_as{};
    /// What the program gets when this process dies, however it dies.
    int death_signal = 15;
    /// What `stop` sends first.
    int stop_signal = 15;
    /// Descriptors that become its own.
    int standard_output = 2;
    int standard_error = 2;
};

/// A child process in a process group of its own, so that a terminal's Ctrl-C reaches it only
/// through its parent. Start children from the main
/// thread: the death signal follows the thread that started them.
class Process {
public:
    /// Throws std::system_error naming the program when it cannot be run.
    static Process start(const ProgramCall& call);
    /// Stops it the hard way.
    ~Process();
    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;

    pid_t pid() const { return pid_; }
    /// False once it has ended.
    bool running();
    /// How it ended, for people: "exit code 3", "signal 9".
    std::string ending() const;
    /// Somebody killed it: SIGKILL, SIGTERM, SIGINT; not a crash.
    bool was_killed() const;
    int exit_code() const;

    /// Asks it to stop, waits, and kills it after `patience`. True if it ended by itself.
    bool stop(std::chrono::milliseconds patience);

    /// Leaves it to itself: it goes on when this object, or this process, ends.
    void let_go() { pid_ = 0; }

private:
    Process(pid_t pid, int stop_signal) : pid_(pid), stop_signal_(stop_signal) {}
    void kill_now();

    pid_t pid_ = 0;
    int stop_signal_ = 15;
    /// As waitpid gives it, once ended.
    std::optional<int> status_;
};

/// A program in one of the folders of PATH; empty when there is none.
std::filesystem::path found_in_path(const std::string& program);

/// Runs a program to its end. Throws std::runtime_error naming it when it fails.
void run_program(const ProgramCall& call);

}  // namespace millrace::api
