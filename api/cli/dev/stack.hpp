#pragma once

#include "api/cli/dev.hpp"
#include "api/cli/dev/chain.hpp"
#include "api/cli/dev/config.hpp"
#include "api/cli/dev/postgres.hpp"
#include "api/cli/process.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace millrace::api {

/// A program of the stack that has to run: started, and started again when it ends, later and
/// later if it keeps ending by itself.
class Kept {
public:
    Kept(std::string name, std::function<Process()> start);

    /// Starts it when it does not run and is due. True if it runs. Throws std::runtime_error when
    /// it has ended by itself too often in a row.
    bool keep();
    /// False once it has ended, which is told on standard error once.
    bool alive();
    /// It has done its work: earlier failures no longer count.
    void well() { failures_ = 0; }
    void stop();
    pid_t pid() const { return process_ ? process_->pid() : 0; }
    /// How often it was started.
    unsigned starts() const { return starts_; }

private:
    std::string name_;
    std::function<Process()> start_;
    std::optional<Process> process_;
    std::chrono::steady_clock::time_point due_{};
    unsigned failures_ = 0;
    unsigned starts_ = 0;
};

/// Postgres, chain and service on one data directory, which no other stack uses meanwhile.
class DevStack {
public:
    /// Throws std::runtime_error when something is missing, a port is taken, or another stack runs
    /// on the same data.
    explicit DevStack(const DevOptions& options);
    ~DevStack();
    DevStack(const DevStack&) = delete;
    DevStack& operator=(const DevStack&) = delete;

    /// One step towards a stack that is up; true once the service says that it is ready.
    bool advance();
    /// False when a program has ended.
    bool alive();
    /// The ready line, without its line break; also left in `ready.json` of the data directory,
    /// for its owner only, while the stack runs.
    std::string announce() const;
    void stop();

private:
    void prepare();
    std::string ready_line() const;

    std::filesystem::path data_;
    int lock_ = -1;
    LoopbackPort port_;
    LoopbackPort rpc_port_;
    DevSecrets secrets_;
    DevPostgres postgres_;
    DevChain chain_;
    Kept postgres_process_;
    Kept chain_process_;
    Kept service_process_;
    unsigned prepared_chain_ = 0;
};

}  // namespace millrace::api
