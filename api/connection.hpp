#pragma once

#include "api/gateway.hpp"
#include "api/http.hpp"
#include "api/task.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <functional>
#include <memory>
#include <string>

namespace millrace::api {

using Route = std::function<Task<HttpResponse>(HttpRequest)>;

/// Counts a connection for as long as it lives, whoever holds it.
using Ticket = std::shared_ptr<void>;

/// Serves one accepted connection on its gateway's thread until it ends: HTTP requests one after
/// the other, or the payment stream once it is asked for. `route` and the gateway outlive it.
Task<void> serve_connection(Gateway& gateway, const Route& route,
                            boost::asio::ip::tcp::socket socket, Ticket ticket);

}  // namespace millrace::api
