#pragma once

#include "api/auth/tokens.hpp"
#include "api/connection.hpp"

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <optional>

namespace millrace::api {

using UpgradeRequest = boost::beast::http::request<boost::beast::http::string_body>;

/// True if the request offers the stream's subprotocol; `named` says whether it offers any.
bool offers_stream(const UpgradeRequest& request, bool& named);

/// Answers the upgrade and serves the payment stream (stream-protocol, WebSocket) until it ends.
Task<void> serve_stream(Gateway& gateway, boost::asio::ip::tcp::socket socket,
                        UpgradeRequest request, std::optional<Principal> principal, Ticket ticket);

}  // namespace millrace::api
