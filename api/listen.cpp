#include "api/listen.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace millrace::api {

using boost::asio::ip::tcp;

void listen(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, std::string_view setting,
            std::string_view remedy) {
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    boost::system::error_code refused;
    acceptor.bind(endpoint, refused);
    if (refused)
        throw std::runtime_error(fmt::format("{}: {}:{} cannot be listened on ({}); {}", setting,
                                             endpoint.address().to_string(), endpoint.port(),
                                             refused.message(), remedy));
    acceptor.listen();
}

}  // namespace millrace::api
