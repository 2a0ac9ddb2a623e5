#pragma once

#include "api/cli/process.hpp"
#include "api/config.hpp"
#include "api/signer/client.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/signer.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace support {

using namespace millrace;

/// A directory of its own, gone with the test.
class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

/// `millrace signer` as a process, with the keys of the development chain's accounts 9 (authorizer)
/// and 8 (relayer).
class SignerProcess {
public:
    /// For the contract and tokens of these networks; `more` are lines of its section [signer],
    /// `token` of its only token, `network` of its only network.
    struct Settings {
        channel::Address contract;
        channel::Address token;
        std::string more;
        std::string network;
        std::string token_more;
        /// Account 9 is the relayer as well.
        bool one_key = false;
    };
    explicit SignerProcess(const Settings& settings);
    ~SignerProcess();

    void start();
    /// SIGKILL, and waits until it is gone.
    void kill();
    /// SIGTERM; its exit code.
    int stop();
    void suspend();
    void resume();

    std::string socket() const { return directory_.path() / "signer.socket"; }
    std::filesystem::path journal() const { return directory_.path() / "state" / "signed.log"; }
    std::filesystem::path config_file() const { return directory_.path() / "signer.toml"; }
    pid_t pid() const { return process_->pid(); }
    /// Once it answers. Throws when it does not in time.
    std::unique_ptr<api::SignerClient> client(
        std::chrono::milliseconds timeout = std::chrono::seconds{5}) const;

    /// What it writes to standard error, so far.
    std::string log() const;

private:
    TemporaryDirectory directory_;
    std::optional<api::Process> process_;
};

/// Where the keys of a service under test are.
enum class Keys { in_process, in_signer };

/// A signer for the contract and token of this configuration, which a service with it asks from its
/// next start on in place of keys of its own.
std::unique_ptr<SignerProcess> use_signer(api::Config& config,
                                          SignerProcess::Settings settings = {});

/// The program under test, beside this one.
std::filesystem::path millrace_program();

}  // namespace support
