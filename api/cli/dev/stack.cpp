#include "api/cli/dev/stack.hpp"

#include "channel/hex.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <cstdio>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace millrace::api {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr auto kReadyFile = "ready.json";
constexpr unsigned kFailuresMax = 6;
constexpr std::chrono::milliseconds kFirstDelay{100};
constexpr std::chrono::seconds kStopPatience{20};

fs::path prepared_directory(const fs::path& data) {
    fs::create_directories(data);
    return fs::canonical(data);
}

/// Held until this process ends.
int lock(const fs::path& data) {
    const auto file = (data / "lock").string();
    const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (descriptor < 0 || flock(descriptor, LOCK_EX | LOCK_NB) != 0)
        throw std::runtime_error(
            fmt::format("another development stack runs on {}; stop it, or choose another "
                        "directory with --data",
                        data.string()));
    return descriptor;
}

LoopbackPort chosen(std::uint16_t wanted, std::string_view option) {
    if (wanted == 0) return free_port();
    if (is_free({wanted})) return {wanted};
    throw std::runtime_error(
        fmt::format("port {} of 127.0.0.1 is in use; choose another with {}", wanted, option));
}

/// The same port may be found free twice, since nobody listens on the first one yet.
LoopbackPort rpc_port_beside(LoopbackPort port, std::uint16_t wanted) {
    auto rpc_port = chosen(wanted, "--rpc-port");
    while (wanted == 0 && rpc_port.number == port.number) rpc_port = free_port();
    return rpc_port;
}

}  // namespace

Kept::Kept(std::string name, std::function<Process()> start)
    : name_(std::move(name)), start_(std::move(start)) {}

bool Kept::alive() {
    if (!process_) return false;
    if (process_->running()) return true;
    const bool killed = process_->was_killed();
    fmt::print(stderr, "dev: {} ended ({})\n", name_, process_->ending());
    failures_ = killed ? 0 : failures_ + 1;
    due_ = steady_clock::now() +
           (killed ? std::chrono::milliseconds{0} : kFirstDelay * (1 << failures_));
    process_.reset();
    return false;
}

bool Kept::keep() {
    if (alive()) return true;
    if (failures_ > kFailuresMax)
        throw std::runtime_error(name_ + " does not stay up; its own words are above");
    if (steady_clock::now() < due_) return false;
    process_ = start_();
    ++starts_;
    fmt::print(stderr, "dev: {} started (process {})\n", name_, process_->pid());
    return true;
}

void Kept::stop() {
    if (!process_) return;
    if (!process_->stop(kStopPatience))
        fmt::print(stderr, "dev: {} did not stop in time and was killed\n", name_);
    process_.reset();
}

DevStack::DevStack(const DevOptions& options)
    : data_(prepared_directory(options.data)),
      lock_(lock(data_)),
      port_(chosen(options.port, "--port")),
      rpc_port_(rpc_port_beside(port_, options.rpc_port)),
      secrets_(dev_secrets(data_ / "keys")),
      postgres_(data_),
      chain_({data_ / "chain", rpc_port_, options.block_seconds, options.chain_state_seconds}),
      postgres_process_("postgres", [this] { return postgres_.start(); }),
      chain_process_("chain", [this] { return chain_.start(); }),
      service_process_("service", [this] {
          return Process::start(
              {.program = "/proc/self/exe",
               .arguments = {"serve", "--config", (data_ / "millrace.toml").string()}});
      }) {}

DevStack::~DevStack() {
    stop();
    close(lock_);
}

bool DevStack::alive() {
    const bool postgres = postgres_process_.alive();
    const bool chain = chain_process_.alive();
    return service_process_.alive() && chain && postgres;
}

bool DevStack::advance() {
    const bool started = postgres_process_.keep() && chain_process_.keep();
    if (!started || !postgres_.answers() || !chain_.answers()) return false;
    if (prepared_chain_ != chain_process_.starts()) prepare();
    if (!service_process_.keep()) return false;
    const auto ready = ask(port_, "/readyz");
    if (!ready || ready->status != 200) return false;
    for (auto* process : {&postgres_process_, &chain_process_, &service_process_}) process->well();
    return true;
}

/// Once per start of the chain.
void DevStack::prepare() {
    postgres_.create_database();
    postgres_.migrate_database();
    chain_.prepare(secrets_.relayer);
    write_private(data_ / "millrace.toml", dev_config({.port = port_,
                                                       .postgres_url = postgres_.service_url(),
                                                       .rpc_url = chain_.url(),
                                                       .token = chain_.token(),
                                                       .secrets = secrets_}));
    prepared_chain_ = chain_process_.starts();
}

std::string DevStack::announce() const {
    const auto line = ready_line();
    write_private(data_ / kReadyFile, line + "\n");
    return line;
}

std::string DevStack::ready_line() const {
    const auto host = "127.0.0.1:" + std::to_string(port_.number);
    const boost::json::object line{
        {"ready", true},
        {"url", "http://" + host},
        {"stream", "ws://" + host + "/v1/stream"},
        {"rpc", chain_.url()},
        {"network", fmt::format("eip155:{}", DevChain::kChainId)},
        {"contract", kDevContract},
        {"token", chain_.token()},
        {"receiverAuthorizer", channel::to_hex(secrets_.receiver_authorizer)},
        {"auditorToken", secrets_.auditor_token},
        {"operatorToken", secrets_.operator_token},
        {"postgres", postgres_.url()},
        {"pids",
         {{"service", service_process_.pid()},
          {"postgres", postgres_process_.pid()},
          {"chain", chain_process_.pid()}}}};
    return boost::json::serialize(line);
}

void DevStack::stop() {
    std::error_code ignored;
    fs::remove(data_ / kReadyFile, ignored);
    service_process_.stop();
    postgres_process_.stop();
    chain_process_.stop();
}

}  // namespace millrace::api
