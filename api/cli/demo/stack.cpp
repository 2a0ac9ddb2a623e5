#include "api/cli/demo/stack.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace::api {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::chrono::seconds kStartPatience{60};
constexpr std::chrono::seconds kStopPatience{60};
constexpr std::size_t kLastWords = 20;
/// 128 and SIGINT, as shells have it.
constexpr int kExitInterrupted = 130;

std::string text(const json::object& object, std::string_view name) {
    return std::string(object.at(name).as_string());
}

LoopbackPort port_of(const std::string& url) {
    return {static_cast<std::uint16_t>(std::stoul(url.substr(url.rfind(':') + 1)))};
}

/// Of this process, whose last one ends it when they are interrupted.
std::atomic<int> stacks_alive = 0;
std::atomic<bool> interrupted = false;

sigset_t interruption_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    return signals;
}

fs::path new_directory() {
    std::string pattern = (fs::temp_directory_path() / "millrace-demo-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("cannot make " + pattern);
    return pattern;
}

}  // namespace

ReadyStack parse_ready_line(const std::string& line) {
    const auto parsed = json::parse(line);
    const auto& object = parsed.as_object();
    ReadyStack ready;
    ready.line = line;
    ready.url = text(object, "url");
    ready.stream = {.host = "127.0.0.1", .port = std::to_string(port_of(ready.url).number)};
    ready.rpc = port_of(text(object, "rpc"));
    ready.postgres = text(object, "postgres");
    return ready;
}

DemoStack::DemoStack(Afterwards afterwards, std::vector<std::string> more)
    : afterwards_(afterwards), directory_(new_directory()) {
    const auto interruptions = interruption_signals();
    pthread_sigmask(SIG_BLOCK, &interruptions, nullptr);
    try {
        start(std::move(more));
    } catch (const std::exception& error) {
        const auto words = last_words();
        interruptions_ = {};
        process_.reset();
        fs::remove_all(directory_);
        throw std::runtime_error(std::string("the stack does not start: ") + error.what() + "\n" +
                                 words);
    }
}

DemoStack::~DemoStack() {
    if (!process_) return;
    if (std::uncaught_exceptions() > exceptions_before_)
        fmt::print(stderr, "the log of the stack ends so:\n{}", last_words());
    process_->stop(kStopPatience);
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

void DemoStack::let_go() {
    if (afterwards_ == Afterwards::stop) return;
    interruptions_ = {};
    process_->let_go();
    process_.reset();
}

/// On a thread of its own: the demo's others may be waiting for an answer.
void DemoStack::stop_when_interrupted(const std::stop_token& over) {
    const auto interruptions = interruption_signals();
    const timespec patience{.tv_sec = 0, .tv_nsec = 100'000'000};
    while (!over.stop_requested()) {
        const bool came = sigtimedwait(&interruptions, nullptr, &patience) >= 0;
        // Only one stack's thread gets the signal.
        if (!came && !interrupted) continue;
        interrupted = true;
        kill(pid_, SIGTERM);
        waitpid(pid_, nullptr, 0);
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
        if (--stacks_alive == 0) _exit(kExitInterrupted);
        // Whoever destroys this stack meanwhile waits for the last one, too.
        pause();
    }
    --stacks_alive;
}

void DemoStack::start(std::vector<std::string> more) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    const int log_file = open(log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    std::vector<std::string> arguments{"dev",    "--port",           "0", "--rpc-port", "0",
                                       "--data", directory_.string()};
    std::move(more.begin(), more.end(), std::back_inserter(arguments));
    const bool stays = afterwards_ == Afterwards::keep_running;
    auto process = Process::start({.program = "/proc/self/exe",
                                   .arguments = std::move(arguments),
                                   .death_signal = stays ? 0 : SIGTERM,
                                   .standard_output = ends[1],
                                   .standard_error = log_file});
    pid_ = process.pid();
    process_.emplace(std::move(process));
    ++stacks_alive;
    interruptions_ = std::jthread([this](std::stop_token over) { stop_when_interrupted(over); });
    close(ends[1]);
    close(log_file);
    const auto line = read_line(ends[0]);
    // A stack that stays goes on without a reader.
    close(ends[0]);
    ready_ = parse_ready_line(line);
}

std::string DemoStack::read_line(int descriptor) {
    const auto deadline = std::chrono::steady_clock::now() + kStartPatience;
    std::string line;
    while (std::chrono::steady_clock::now() < deadline) {
        pollfd ready{descriptor, POLLIN, 0};
        if (poll(&ready, 1, 100) == 0) continue;
        char next = 0;
        if (read(descriptor, &next, 1) != 1) throw std::runtime_error("it has ended");
        if (next == '\n') return line;
        line += next;
    }
    throw std::runtime_error("it is not ready in time");
}

std::string DemoStack::last_words() const {
    std::deque<std::string> lines;
    std::ifstream file(log());
    for (std::string line; std::getline(file, line);) {
        lines.push_back(line);
        if (lines.size() > kLastWords) lines.pop_front();
    }
    std::string words;
    for (const auto& line : lines) words += line + '\n';
    return words;
}

}  // namespace millrace::api
