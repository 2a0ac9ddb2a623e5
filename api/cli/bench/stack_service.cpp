#include "api/cli/bench/stack_service.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <chrono>
#include <csignal>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace millrace::api::bench {
namespace {

constexpr std::chrono::seconds kPatience{180};
constexpr std::chrono::milliseconds kLookAgain{2};
constexpr std::chrono::milliseconds kStatsAge{1500};
constexpr std::chrono::milliseconds kLookAtLog{20};
/// Of what stands behind the name in /proc/PID/stat.
constexpr std::size_t kBegunField = 19;

std::string whole(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

/// "NAME:   123 kB" of /proc/PID/status.
std::uint64_t status_bytes(pid_t pid, const std::string& name) {
    const auto text = whole(fmt::format("/proc/{}/status", pid));
    const auto at = text.find("\n" + name + ":");
    if (at == std::string::npos) throw std::runtime_error("the service has ended");
    return std::stoull(text.substr(at + name.size() + 2)) * 1024;
}

/// When it began, in seconds since the machine did (proc(5), field 22 of stat).
double begun_at(pid_t pid) {
    return std::stod(stat_of(pid).at(kBegunField)) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double since_boot() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// Until `is_so`; throws with `otherwise` when that takes too long.
template <class IsSo>
void wait_until(IsSo is_so, const char* otherwise) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!is_so()) {
        if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error(otherwise);
        std::this_thread::sleep_for(kLookAgain);
    }
}

}  // namespace

std::vector<std::string> stat_of(pid_t process) {
    std::ifstream file(fmt::format("/proc/{}/stat", process));
    std::string text;
    std::getline(file, text);
    const auto name_end = text.rfind(')');
    if (name_end == std::string::npos) return {};
    std::istringstream words(text.substr(name_end + 1));
    return {std::istream_iterator<std::string>(words), {}};
}

double figure_in(const std::string& metrics, const std::string& name) {
    const auto at = metrics.find("\n" + name + " ");
    return at == std::string::npos ? 0 : std::stod(metrics.substr(at + name.size() + 2));
}

StackService::StackService(const DemoStack& stack) : stack_(stack), pid_(announced()) {}

/// 0 while the stack's file is not there.
pid_t StackService::announced() const {
    boost::system::error_code malformed;
    const auto ready = boost::json::parse(whole(stack_.directory() / "ready.json"), malformed);
    if (malformed) return 0;
    return ready.at("pids").at("service").to_number<pid_t>();
}

LoopbackPort StackService::port() const {
    return {static_cast<std::uint16_t>(std::stoul(stack_.ready().stream.port))};
}

double StackService::metric(const std::string& name) const {
    const auto answer = ask(port(), "/metrics");
    if (!answer || answer->status != 200) throw std::runtime_error("the service has no metrics");
    return figure_in(answer->body, name);
}

ReadyStack StackService::ready() const {
    return parse_ready_line(whole(stack_.directory() / "ready.json"));
}

std::uint64_t StackService::resident_bytes() const {
    return status_bytes(pid_, "VmRSS");
}

std::uint64_t StackService::resident_bytes_peak() const {
    return status_bytes(pid_, "VmHWM");
}

StackService::Sealed StackService::wait_until_sealed() const {
    const auto begun = std::chrono::steady_clock::now();
    const auto since = [&] { return std::chrono::steady_clock::now() - begun; };
    wait_until([&] { return metric("millrace_payments_unposted") == 0; },
               "what is acknowledged is not posted");
    const auto known_after = since() + kStatsAge;
    /// When the log had come how far, while the newest number is not known: what the service says
    /// of its database may be a moment old.
    std::vector<std::pair<std::chrono::duration<double>, double>> seen;
    for (; since() < known_after; std::this_thread::sleep_for(kLookAtLog)) {
        const auto size = metric("millrace_log_size");
        seen.emplace_back(since(), size);
    }
    const auto newest = metric("millrace_last_seq");
    for (const auto& [seconds, size] : seen)
        if (size >= newest) return {static_cast<std::uint64_t>(newest), seconds.count()};
    wait_until([&] { return metric("millrace_log_size") >= newest; },
               "the transparency log does not follow");
    return {static_cast<std::uint64_t>(newest), std::chrono::duration<double>(since()).count()};
}

double StackService::restart() {
    const auto before = pid_;
    kill(before, SIGTERM);
    wait_until([&] { return kill(before, 0) != 0; }, "the service does not end");
    wait_until(
        [&] {
            const auto answer = ask(port(), "/readyz");
            return answer && answer->status == 200;
        },
        "the service does not start again");
    const auto ready_at = since_boot();
    wait_until([&] { return announced() != 0 && announced() != before; },
               "the stack does not tell of its new service");
    pid_ = announced();
    return ready_at - begun_at(pid_);
}

}  // namespace millrace::api::bench
