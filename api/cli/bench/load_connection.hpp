#pragma once

#include "api/cli/stream_client.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

namespace millrace::api::bench {

struct LoadAnswer {
    std::uint64_t id = 0;
    bool refused = false;
};

/// All answers of one message, as it was read.
struct LoadMessage {
    std::span<const LoadAnswer> answers;
    std::chrono::steady_clock::time_point read_at;
    /// What the last refusal among them said; empty without one.
    std::string_view refusal;
};

/// A connection of a load generator to the payment stream, as thin as it can be: requests are made
/// beforehand and have numbers as ids, and many go out in one JSON-RPC array. For the thread that
/// runs `context`, out of which it throws std::runtime_error when the connection is lost.
class LoadConnection {
public:
    using OnMessage = std::function<void(const LoadMessage&)>;

    /// `array_max`: most requests put into one array; 1: a message for each.
    LoadConnection(boost::asio::io_context& context, std::size_t array_max, OnMessage on_message);
    ~LoadConnection();
    LoadConnection(const LoadConnection&) = delete;
    LoadConnection& operator=(const LoadConnection&) = delete;

    /// Blocks until it is there, and reads from then on.
    void connect(const StreamAddress& address, const std::string& token);
    /// `request` must outlive its sending, which begins with `flush`.
    void queue(const std::string& request);
    /// Writes all that is queued; while something is being written, behind that.
    void flush();

private:
    class Socket;
    std::unique_ptr<Socket> socket_;
};

}  // namespace millrace::api::bench
