#pragma once

#include "api/cli/demo/stack.hpp"
#include "api/cli/dev/http.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace millrace::api::bench {

/// A figure without further labels out of what /metrics says; 0 for one that is not there.
double figure_in(const std::string& metrics, const std::string& name);

/// The fields of /proc/PID/stat behind the name (proc(5): from the third on), which may hold
/// anything; none when it is gone.
std::vector<std::string> stat_of(pid_t process);

/// The service of a development stack, as the machine sees it.
class StackService {
public:
    explicit StackService(const DemoStack& stack);

    /// As the stack's ready line was when this service had started.
    ReadyStack ready() const;

    /// Its resident memory now.
    std::uint64_t resident_bytes() const;
    /// The most that was resident since it began.
    std::uint64_t resident_bytes_peak() const;

    /// What it says of itself under /metrics, without labels; 0 for what it does not tell.
    double metric(const std::string& name) const;

    /// What there is of updates now, once it is in the transparency log.
    struct Sealed {
        /// Its newest number.
        std::uint64_t seq = 0;
        /// What that took from now, to some hundredths.
        double seconds = 0;
    };
    Sealed wait_until_sealed() const;

    /// Ends it, and waits until the stack has another one on the same database. Gives the seconds
    /// from that one's beginning until it says that it is ready.
    double restart();

private:
    pid_t announced() const;
    LoopbackPort port() const;

    const DemoStack& stack_;
    pid_t pid_;
};

}  // namespace millrace::api::bench
