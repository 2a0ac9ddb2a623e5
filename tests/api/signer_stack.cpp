#include "tests/api/signer_stack.hpp"

#include "channel/hex.hpp"
#include "tests/support/anvil.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace support {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 20s;

constexpr auto kConfig = R"([keys]
receiver_authorizer_file = "{directory}/authorizer"
relayer_file = "{directory}/relayer"

[signer]
socket = "{directory}/signer.socket"
state_directory = "{directory}/state"
{signer}

[[networks]]
network = "eip155:{chain_id}"
rpc_urls = ["http://127.0.0.1:1"]
contract = "{contract}"
erc3009_collector = "{collector}"
{network}

[[networks.tokens]]
address = "{token}"
name = "USD Coin"
version = "2"
symbol = "USDC"
decimals = 6
{token_more}
)";

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "millrace-signer-XXXXXX";
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path millrace_program() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "millrace";
}

SignerProcess::SignerProcess(const Settings& settings) {
    const auto& directory = directory_.path();
    for (const auto& [name, account] :
         {std::pair{"authorizer", 9u}, {"relayer", settings.one_key ? 9u : 8u}}) {
        std::ofstream(directory / name) << Anvil::key_hex(account) << "\n";
        ::chmod((directory / name).c_str(), 0600);
    }
    std::ofstream(config_file()) << fmt::format(
        kConfig, fmt::arg("directory", directory.string()), fmt::arg("signer", settings.more),
        fmt::arg("chain_id", Anvil::kChainId),
        fmt::arg("contract", channel::to_hex(settings.contract)),
        fmt::arg("collector", channel::to_hex(collector_address())),
        fmt::arg("network", settings.network), fmt::arg("token", channel::to_hex(settings.token)),
        fmt::arg("token_more", settings.token_more));
    start();
}

SignerProcess::~SignerProcess() = default;

void SignerProcess::start() {
    const int log = ::open((directory_.path() / "log").c_str(),
                           O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    process_.emplace(api::Process::start({.program = millrace_program(),
                                          .arguments = {"signer", "--config", config_file()},
                                          .standard_output = log,
                                          .standard_error = log}));
    ::close(log);
}

void SignerProcess::kill() {
    ::kill(process_->pid(), SIGKILL);
    // Gone with all its descriptors, and so with its lock, once it is waited for.
    process_.reset();
}

int SignerProcess::stop() {
    process_->stop(kPatience);
    return process_->exit_code();
}

void SignerProcess::suspend() {
    ::kill(process_->pid(), SIGSTOP);
}

void SignerProcess::resume() {
    ::kill(process_->pid(), SIGCONT);
}

std::unique_ptr<api::SignerClient> SignerProcess::client(std::chrono::milliseconds timeout) const {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        try {
            return std::make_unique<api::SignerClient>(socket(), timeout);
        } catch (const ledger::chain::SignerUnavailable& error) {
            if (std::chrono::steady_clock::now() > end)
                throw std::runtime_error(std::string(error.what()) + "\n" + log());
            ::poll(nullptr, 0, 10);
        }
    }
}

std::unique_ptr<SignerProcess> use_signer(api::Config& config, SignerProcess::Settings settings) {
    settings.contract = config.networks[0].contract;
    settings.token = config.networks[0].tokens[0].address;
    auto signer = std::make_unique<SignerProcess>(settings);
    signer->client();
    config.keys = {};
    config.signer.socket = signer->socket();
    return signer;
}

std::string SignerProcess::log() const {
    std::stringstream text;
    text << std::ifstream(directory_.path() / "log").rdbuf();
    return text.str();
}

}  // namespace support
