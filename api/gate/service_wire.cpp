#include "api/gate/service_wire.hpp"

#include <spdlog/spdlog.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

#include <deque>

namespace millrace::api::gate {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

namespace {

using Tcp = beast::tcp_stream;
using Tls = beast::ssl_stream<beast::tcp_stream>;

constexpr std::size_t kMessageBytesMax = 16 * 1024 * 1024;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
/// A service that says nothing for so long, not even to a ping, is gone.
constexpr std::chrono::seconds kSilenceMax{20};

std::string failed(std::string_view doing, const beast::error_code& error) {
    return std::string(doing) + ": " + error.message();
}

/// `Next` is a TCP stream or TLS over one.
template <class Next>
class Wire : public ServiceWire, public std::enable_shared_from_this<Wire<Next>> {
public:
    template <class... Context>
    explicit Wire(asio::io_context& context, Context&... tls)
        : resolver_(context), socket_(context, tls...) {}

    Task<std::optional<std::string>> open(ServiceAddress address,
                                          std::chrono::milliseconds patience) override {
        auto& tcp = beast::get_lowest_layer(socket_);
        // The resolver itself has no deadline; what comes of it too late is not used.
        const auto deadline = std::chrono::steady_clock::now() + patience;
        auto [error, places] = co_await resolver_.async_resolve(address.host, address.port, kTuple);
        if (error) co_return failed("looking up " + address.host, error);
        tcp.expires_at(deadline);
        beast::error_code connected;
        std::tie(connected, std::ignore) = co_await tcp.async_connect(places, kTuple);
        if (connected) co_return failed("connecting", connected);
        tcp.socket().set_option(asio::ip::tcp::no_delay(true), error);
        if constexpr (std::is_same_v<Next, Tls>) {
            auto& tls = socket_.next_layer();
            if (!SSL_set_tlsext_host_name(tls.native_handle(), address.host.c_str()))
                co_return "the host's name cannot be used with TLS";
            tls.set_verify_mode(asio::ssl::verify_peer);
            tls.set_verify_callback(asio::ssl::host_name_verification(address.host));
            const auto [shaken] =
                co_await tls.async_handshake(asio::ssl::stream_base::client, kTuple);
            if (shaken) co_return failed("TLS", shaken);
        }
        socket_.set_option(websocket::stream_base::decorator([](websocket::request_type& request) {
            request.set(beast::http::field::sec_websocket_protocol, "millrace.v1");
            request.set(beast::http::field::user_agent, "millrace-gate/" MILLRACE_VERSION);
        }));
        const auto [upgraded] =
            co_await socket_.async_handshake(address.authority, address.target, kTuple);
        if (upgraded) co_return failed("asking for the stream at " + address.target, upgraded);
        tcp.expires_never();
        socket_.set_option(websocket::stream_base::timeout{patience, kSilenceMax, true});
        socket_.read_message_max(kMessageBytesMax);
        socket_.text(true);
        open_ = true;
        co_return std::nullopt;
    }

    Task<std::optional<std::string>> read() override {
        const auto keep = this->shared_from_this();
        const auto [error, count] = co_await socket_.async_read(buffer_, kTuple);
        if (error) co_return std::nullopt;
        auto text = beast::buffers_to_string(buffer_.data());
        buffer_.consume(buffer_.size());
        co_return text;
    }

    void write(std::string text) override {
        waiting_.push_back(std::move(text));
        if (!writing_) write_next();
    }

    void close() override {
        open_ = false;
        resolver_.cancel();
        beast::get_lowest_layer(socket_).close();
    }

private:
    void write_next() {
        if (!open_ || waiting_.empty()) return;
        writing_ = true;
        socket_.async_write(asio::buffer(waiting_.front()),
                            [self = this->shared_from_this()](
                                beast::error_code error, std::size_t) { self->written(error); });
    }

    void written(beast::error_code error) {
        writing_ = false;
        waiting_.pop_front();
        // Whoever reads sees the end, too.
        if (error) return close();
        write_next();
    }

    asio::ip::tcp::resolver resolver_;
    websocket::stream<Next> socket_;
    beast::flat_buffer buffer_;
    std::deque<std::string> waiting_;
    bool open_ = false;
    bool writing_ = false;
};

asio::ssl::context& tls_context() {
    static asio::ssl::context context = [] {
        asio::ssl::context made(asio::ssl::context::tls_client);
        made.set_default_verify_paths();
        return made;
    }();
    return context;
}

}  // namespace

std::shared_ptr<ServiceWire> ServiceWire::make(asio::io_context& context, bool tls) {
    if (tls) return std::make_shared<Wire<Tls>>(context, tls_context());
    return std::make_shared<Wire<Tcp>>(context);
}

}  // namespace millrace::api::gate
