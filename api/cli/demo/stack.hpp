#pragma once

#include "api/cli/dev/http.hpp"
#include "api/cli/process.hpp"
#include "api/cli/stream_client.hpp"

#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace millrace::api {

/// What the ready line of a development stack says.
struct ReadyStack {
    /// The line itself.
    std::string line;
    std::string url;
    StreamAddress stream;
    LoopbackPort rpc;
    std::string postgres;
};
ReadyStack parse_ready_line(const std::string& line);

/// What becomes of a stack once its demo is over.
enum class Afterwards { stop, keep_running };

/// A development stack of the demo's own, on free ports and in a temporary directory. While it
/// lives, SIGINT and SIGTERM stop the stack, remove the directory and end this process with 130.
class DemoStack {
public:
    /// `more` are arguments of `millrace dev`. Waits until it is ready. Throws std::runtime_error
    /// with the end of its log when it does not come up.
    explicit DemoStack(Afterwards afterwards, std::vector<std::string> more = {});
    /// Stops it and removes its directory, which is also its data directory, unless it was let go.
    /// Where an exception ends it, the end of its log goes to standard error.
    ~DemoStack();
    DemoStack(const DemoStack&) = delete;
    DemoStack& operator=(const DemoStack&) = delete;

    /// The demo is over: a stack that is to keep running does so from now on.
    void let_go();

    const ReadyStack& ready() const { return ready_; }
    pid_t pid() const { return pid_; }
    const std::filesystem::path& directory() const { return directory_; }
    std::filesystem::path log() const { return directory_ / "stack.log"; }

private:
    void start(std::vector<std::string> more);
    void stop_when_interrupted(const std::stop_token& over);
    std::string read_line(int descriptor);
    std::string last_words() const;

    Afterwards afterwards_;
    int exceptions_before_ = std::uncaught_exceptions();
    std::filesystem::path directory_;
    std::optional<Process> process_;
    pid_t pid_ = 0;
    ReadyStack ready_;
    std::jthread interruptions_;
};

}  // namespace millrace::api
