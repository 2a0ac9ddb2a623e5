#pragma once

#include "api/gate/exchange.hpp"
#include "api/gate/notices.hpp"
#include "api/task.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::api::gate {

/// Where the model server is: "http://host:port", perhaps with a path in front of all others.
struct UpstreamAddress {
    std::string host;
    std::string port;
    std::string authority;
    std::string base_path;
};
/// Throws ConfigError, naming `setting`, for anything but an http URL.
UpstreamAddress parse_upstream(std::string_view setting, std::string_view url);

struct UpstreamLimits {
    std::chrono::milliseconds connect_timeout{5000};
    /// Until the head of the answer.
    std::chrono::milliseconds answer_timeout{300'000};
    /// Between two pieces of it.
    std::chrono::milliseconds idle_timeout{60'000};
    std::size_t idle_connections_max = 64;
    /// A connection that nobody used for so long is not used again: servers close theirs, too.
    std::chrono::milliseconds keep_alive{4000};
};

struct UpstreamRequest {
    std::string method;
    std::string target;
    Fields fields;
    std::string body;
};

struct UpstreamHead {
    unsigned status = 0;
    Fields fields;
    std::optional<std::uint64_t> content_length;
};

enum class UpstreamFault { none, unreachable, timed_out, broken, cancelled };
/// What clients are answered for it.
unsigned status_of(UpstreamFault fault);

/// Connections to the model server, of one thread, kept open between calls.
class Upstream {
public:
    Upstream(boost::asio::io_context& context, const UpstreamAddress& address,
             const UpstreamLimits& limits, UpstreamNotices& notices);
    ~Upstream();

    /// Connects and hangs up, for the log to say whether that is possible.
    Task<void> look();
    /// Ends every call.
    void cancel_all();

    /// One request and its answer. Belongs to one coroutine; `cancel` may come from others of its
    /// thread.
    class Call {
    public:
        explicit Call(Upstream& upstream);
        Call(const Call&) = delete;
        ~Call();

        /// The head of the answer, or nothing: `fault` says why. A kept connection that ends before
        /// a byte of the answer is given up for a new one.
        Task<std::optional<UpstreamHead>> begin(UpstreamRequest request);
        /// The next bytes of the body, as soon as they come; empty at its end, or when it breaks
        /// off: then `fault` says so. Valid until the next call.
        Task<std::string_view> read();
        UpstreamFault fault() const;
        /// Ends it: the server sees the connection go.
        void cancel();

    private:
        friend class Upstream;
        struct State;
        std::unique_ptr<State> state_;
    };

private:
    struct Pool;
    std::unique_ptr<Pool> pool_;
};

}  // namespace millrace::api::gate
