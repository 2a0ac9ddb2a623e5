#include "api/cli/process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace::api {
namespace {

constexpr std::chrono::milliseconds kLookAgain{10};

struct Pipe {
    int read_end = -1;
    int write_end = -1;

    Pipe() {
        std::array<int, 2> ends{};
        if (pipe2(ends.data(), O_CLOEXEC) != 0)
            throw std::system_error(errno, std::generic_category(), "pipe");
        read_end = ends[0];
        write_end = ends[1];
    }
    ~Pipe() {
        close(read_end);
        if (write_end >= 0) close(write_end);
    }
    void close_write_end() { close(std::exchange(write_end, -1)); }
};

std::vector<char*> argument_pointers(const ProgramCall& call, std::string& program) {
    std::vector<char*> pointers{program.data()};
    // execv promises not to write to its arguments.
    for (const auto& argument : call.arguments)
        pointers.push_back(const_cast<char*>(argument.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

bool take_identity(const RunAs& identity) {
    return setgroups(0, nullptr) == 0 && setgid(identity.group) == 0 && setuid(identity.user) == 0;
}

/// In the child, between fork and exec: only what is safe there. The death signal comes last
/// because a change of user clears it.
bool become_program(const ProgramCall& call, char** arguments, pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_DFL);
    setpgid(0, 0);
    const int error = dup(call.standard_error);
    if (dup2(call.standard_output, STDOUT_FILENO) < 0 || dup2(error, STDERR_FILENO) < 0)
        return false;
    if (error > STDERR_FILENO) close(error);
    if (call.run_as && !take_identity(*call.run_as)) return false;
    if (prctl(PR_SET_PDEATHSIG, call.death_signal) != 0) return false;
    if (getppid() != parent) _exit(1);
    execv(arguments[0], arguments);
    return false;
}

}  // namespace

Process Process::start(const ProgramCall& call) {
    auto program = call.program.string();
    const auto arguments = argument_pointers(call, program);
    Pipe failure;
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child == 0) {
        become_program(call, const_cast<char**>(arguments.data()), parent);
        const int error = errno;
        [[maybe_unused]] const auto told = write(failure.write_end, &error, sizeof error);
        _exit(127);
    }
    Process process(child, call.stop_signal);
    failure.close_write_end();
    int error = 0;
    if (read(failure.read_end, &error, sizeof error) == sizeof error)
        throw std::system_error(error, std::generic_category(), "cannot run " + program);
    return process;
}

Process::~Process() {
    kill_now();
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      stop_signal_(other.stop_signal_),
      status_(std::exchange(other.status_, std::nullopt)) {}

Process& Process::operator=(Process&& other) noexcept {
    if (this == &other) return *this;
    kill_now();
    pid_ = std::exchange(other.pid_, 0);
    stop_signal_ = other.stop_signal_;
    status_ = std::exchange(other.status_, std::nullopt);
    return *this;
}

void Process::kill_now() {
    if (pid_ <= 0 || status_) return;
    kill(pid_, SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    status_ = status;
}

bool Process::running() {
    if (pid_ <= 0 || status_) return false;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
    status_ = status;
    return false;
}

bool Process::was_killed() const {
    if (!status_ || !WIFSIGNALED(*status_)) return false;
    const int signal = WTERMSIG(*status_);
    return signal == SIGKILL || signal == SIGTERM || signal == SIGINT;
}

int Process::exit_code() const {
    return status_ && WIFEXITED(*status_) ? WEXITSTATUS(*status_) : -1;
}

std::string Process::ending() const {
    if (!status_) return "running";
    if (WIFSIGNALED(*status_)) return "signal " + std::to_string(WTERMSIG(*status_));
    return "exit code " + std::to_string(exit_code());
}

bool Process::stop(std::chrono::milliseconds patience) {
    if (!running()) return true;
    kill(pid_, stop_signal_);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < deadline) {
        if (!running()) return true;
        std::this_thread::sleep_for(kLookAgain);
    }
    kill_now();
    return false;
}

std::filesystem::path found_in_path(const std::string& program) {
    const char* path = std::getenv("PATH");
    std::istringstream folders(path ? path : "");
    for (std::string folder; std::getline(folders, folder, ':');) {
        auto candidate = std::filesystem::path(folder) / program;
        if (access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return {};
}

void run_program(const ProgramCall& call) {
    auto process = Process::start(call);
    while (process.running()) std::this_thread::sleep_for(kLookAgain);
    if (process.exit_code() != 0)
        throw std::runtime_error(call.program.filename().string() + " failed: " + process.ending());
}

}  // namespace millrace::api
