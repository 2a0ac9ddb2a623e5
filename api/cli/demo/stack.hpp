#pragma once

#include "api/cli/dev/http.hpp"
#include "api/cli/process.hpp"
#include "api/cli/stream_client.hpp"

#include <filesystem>
#include <optional>
#include <string>

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

/// A development stack of the demo's own, on free ports and in a temporary directory.
class DemoStack {
public:
    /// Waits until it is ready. Throws std::runtime_error with the end of its log when it does not
    /// come up.
    explicit DemoStack(Afterwards afterwards);
    /// Stops it and removes its directory, unless it is to keep running.
    ~DemoStack();
    DemoStack(const DemoStack&) = delete;
    DemoStack& operator=(const DemoStack&) = delete;

    const ReadyStack& ready() const { return ready_; }
    pid_t pid() const { return pid_; }
    const std::filesystem::path& directory() const { return directory_; }
    std::filesystem::path log() const { return directory_ / "stack.log"; }

private:
    void start();
    std::string read_line(int descriptor);
    std::string last_words() const;

    Afterwards afterwards_;
    std::filesystem::path directory_;
    std::optional<Process> process_;
    pid_t pid_ = 0;
    ReadyStack ready_;
};

}  // namespace millrace::api
