#include "api/cli/dev/http.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <iterator>
#include <random>
#include <stdexcept>

namespace millrace::api {
namespace {

namespace ip = boost::asio::ip;

ip::tcp::endpoint endpoint(LoopbackPort port) {
    return {ip::address_v4::loopback(), port.number};
}

}  // namespace

bool is_free(LoopbackPort port) {
    boost::asio::io_context context;
    ip::tcp::acceptor acceptor(context);
    boost::system::error_code error;
    acceptor.open(ip::tcp::v4());
    // As servers do, so that the last moments of earlier connections do not count.
    acceptor.set_option(ip::tcp::acceptor::reuse_address(true));
    acceptor.bind(endpoint(port), error);
    if (!error) acceptor.listen(1, error);
    return !error;
}

LoopbackPort free_port() {
    // Below those that Linux gives to connections: one of them could have it before it is used.
    std::uniform_int_distribution<std::uint16_t> any(15'000, 31'999);
    std::random_device random;
    for (int attempts = 0; attempts < 1000; ++attempts)
        if (const LoopbackPort port{any(random)}; is_free(port)) return port;
    throw std::runtime_error("no port of 127.0.0.1 is free between 15000 and 31999");
}

std::optional<LoopbackAnswer> ask(LoopbackPort port, std::string_view path,
                                  const std::string& json_body,
                                  std::chrono::milliseconds patience) {
    ip::tcp::iostream peer;
    peer.expires_after(patience);
    peer.connect(endpoint(port));
    if (!peer) return std::nullopt;
    // HTTP/1.0: the answer ends with the connection.
    peer << (json_body.empty() ? "GET " : "POST ") << path
         << " HTTP/1.0\r\nHost: 127.0.0.1:" << port.number << "\r\n";
    if (!json_body.empty())
        peer << "Content-Type: application/json\r\nContent-Length: " << json_body.size() << "\r\n";
    peer << "\r\n" << json_body << std::flush;

    LoopbackAnswer answer;
    std::string line;
    if (!(peer >> line >> answer.status)) return std::nullopt;
    while (std::getline(peer, line) && line != "\r") {
        if (line.empty()) return std::nullopt;
    }
    answer.body.assign(std::istreambuf_iterator<char>(peer), {});
    return answer;
}

}  // namespace millrace::api
