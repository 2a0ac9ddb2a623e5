#pragma once

#include "api/gate/exchange.hpp"
#include "api/task.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <set>

namespace millrace::api::gate {

struct ConnectionLimits {
    std::size_t header_bytes_max = 64 * 1024;
    std::size_t body_bytes_max = 4 * 1024 * 1024;
    /// Of all requests that are at work, together, and of those that come from one address.
    std::size_t bodies_bytes_max = 256 * 1024 * 1024;
    std::size_t bodies_bytes_per_address_max = 64 * 1024 * 1024;
    /// Until a request is here, once it has begun.
    std::chrono::milliseconds request_timeout{30'000};
    /// For each piece that is written.
    std::chrono::milliseconds write_timeout{30'000};
    /// Between requests.
    std::chrono::milliseconds idle_timeout{60'000};
};

/// What the connections of a gate have in common.
struct ConnectionContext {
    explicit ConnectionContext(const ConnectionLimits& given)
        : limits(given), bodies({given.bodies_bytes_max, given.bodies_bytes_per_address_max}) {}

    const ConnectionLimits limits;
    ByteRoom bodies;
    std::atomic<bool> draining = false;
};

/// Answers one request.
using Handler = std::function<Task<void>(Exchange&)>;

/// The connections of one thread that wait for a request: a gate that ends closes them.
using IdleConnections = std::set<boost::asio::ip::tcp::socket*>;

/// Serves one accepted connection on its thread until it ends, one request after the other.
/// Everything but the socket outlives it.
Task<void> serve_connection(ConnectionContext& context, IdleConnections& idle,
                            const Handler& handler, boost::asio::ip::tcp::socket socket);

}  // namespace millrace::api::gate
