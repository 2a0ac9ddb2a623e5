#pragma once

#include "api/task.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace millrace::api::gate {

/// Where a service's payment stream is: "ws://host:port/path", or "wss://…".
struct ServiceAddress {
    bool tls = false;
    std::string host;
    std::string port;
    /// As a Host header and as the domain of logins have it.
    std::string authority;
    std::string target;
};

/// One WebSocket to the service, subprotocol millrace.v1. Used by one thread; texts are written in
/// the order in which they are given.
class ServiceWire {
public:
    virtual ~ServiceWire() = default;

    /// What went wrong, or nothing. Of TLS, the certificate is checked against the system's
    /// authorities and the host's name.
    virtual Task<std::optional<std::string>> open(ServiceAddress address,
                                                  std::chrono::milliseconds patience) = 0;
    /// The next text; nothing once the connection has ended.
    virtual Task<std::optional<std::string>> read() = 0;
    virtual void write(std::string text) = 0;
    /// Ends whatever is under way.
    virtual void close() = 0;

    static std::shared_ptr<ServiceWire> make(boost::asio::io_context& context, bool tls);
};

}  // namespace millrace::api::gate
