#pragma once

#include <boost/asio/ip/tcp.hpp>

#include <string_view>

namespace millrace::api {

/// Opens the acceptor at the endpoint and listens. `setting` and `remedy` say, where the endpoint
/// cannot be had, who names it and what to do: std::runtime_error.
void listen(boost::asio::ip::tcp::acceptor& acceptor,
            const boost::asio::ip::tcp::endpoint& endpoint, std::string_view setting,
            std::string_view remedy);

}  // namespace millrace::api
