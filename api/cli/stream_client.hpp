#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace millrace::api {

/// The service answered with an error.
struct StreamRefusal : std::runtime_error {
    StreamRefusal(std::string_view method, const boost::json::object& error);
    /// As on the wire; empty for errors without one.
    std::string reason;
};

struct StreamAddress {
    std::string host = "127.0.0.1";
    std::string port;
};

/// What the service sent: an answer, or an event.
struct StreamMessage {
    /// Of the request; none for an event.
    std::optional<std::uint64_t> id;
    /// `result` or `error` of an answer; `params` of an event.
    boost::json::object body;
    bool failed = false;
};

/// A blocking client of the payment stream (JSON-RPC 2.0 over WebSocket), for one thread. Requests
/// can be sent without waiting for their answers. Every wait ends after `patience`; that, and a
/// connection that is lost, is a std::runtime_error.
class StreamClient {
public:
    StreamClient(const StreamAddress& address, const std::string& bearer_token = {},
                 std::chrono::milliseconds patience = std::chrono::seconds{30});
    ~StreamClient();
    StreamClient(const StreamClient&) = delete;
    StreamClient& operator=(const StreamClient&) = delete;

    /// The result; throws StreamRefusal. `params` is a JSON object.
    boost::json::object call(std::string_view method, std::string_view params);

    /// Sends and gives the request's id, whose answer `receive` gives sooner or later.
    std::uint64_t send(std::string_view method, std::string_view params);
    /// The next message that no `call` has waited for.
    StreamMessage receive();
    /// The same, or nullopt when none comes in time.
    std::optional<StreamMessage> receive_within(std::chrono::milliseconds time);

private:
    class Socket;
    std::unique_ptr<Socket> socket_;
    std::uint64_t last_id_ = 0;
};

}  // namespace millrace::api
