#include "api/cli/http_client.hpp"

#include "api/cli/commands.hpp"

#include <fmt/format.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include <optional>

namespace millrace::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;

constexpr std::size_t kBodyBytesMax = std::size_t{256} * 1024 * 1024;

[[noreturn]] void unreachable(const HttpUrl& url, const std::string& why) {
    throw CommandError(fmt::format(
        "the service at {}://{} does not answer: {}\nIs it running (millrace serve, millrace dev), "
        "and is --url (or MILLRACE_URL) right?",
        url.tls ? "https" : "http", url.authority, why));
}

http::request<http::string_body> request_of(const HttpUrl& url, const HttpCall& call) {
    http::request<http::string_body> request;
    request.method(http::string_to_verb(call.method));
    request.target(call.target);
    request.version(11);
    request.set(http::field::host, url.authority);
    request.set(http::field::user_agent, "millrace/" MILLRACE_VERSION);
    request.set(http::field::accept, "application/json");
    request.set(http::field::connection, "close");
    if (!call.bearer.empty()) request.set(http::field::authorization, "Bearer " + call.bearer);
    if (!call.body.empty()) {
        request.set(http::field::content_type, "application/json");
        request.body() = call.body;
    }
    request.prepare_payload();
    return request;
}

/// Runs one asynchronous step at a time, so that each wait has an end.
class Exchange {
public:
    Exchange(const HttpUrl& url, const HttpCall& call) : url_(url), call_(call) {
        context_.set_default_verify_paths();
    }

    HttpAnswer run() {
        if (!url_.tls) {
            beast::tcp_stream stream(io_);
            connect(stream);
            return talk(stream);
        }
        beast::ssl_stream<beast::tcp_stream> stream(io_, context_);
        if (!SSL_set_tlsext_host_name(stream.native_handle(), url_.host.c_str()))
            unreachable(url_, "the host's name cannot be used with TLS");
        stream.set_verify_mode(asio::ssl::verify_peer);
        stream.set_verify_callback(asio::ssl::host_name_verification(url_.host));
        connect(stream.next_layer());
        stream.async_handshake(asio::ssl::stream_base::client, keep());
        wait();
        return talk(stream);
    }

private:
    void connect(beast::tcp_stream& stream) {
        Tcp::resolver resolver(io_);
        beast::error_code error;
        const auto places = resolver.resolve(url_.host, url_.port, error);
        if (error) unreachable(url_, error.message());
        stream.expires_after(call_.patience);
        stream.async_connect(places, [this](beast::error_code why, const auto&) { error_ = why; });
        wait();
    }

    template <class Stream>
    HttpAnswer talk(Stream& stream) {
        auto request = request_of(url_, call_);
        http::async_write(stream, request,
                          [this](beast::error_code why, std::size_t) { error_ = why; });
        wait();
        beast::flat_buffer buffer;
        http::response_parser<http::string_body> parser;
        parser.body_limit(kBodyBytesMax);
        http::async_read(stream, buffer, parser,
                         [this](beast::error_code why, std::size_t) { error_ = why; });
        wait();
        return {parser.get().result_int(), std::move(parser.get().body())};
    }

    std::function<void(beast::error_code)> keep() {
        return [this](beast::error_code why) { error_ = why; };
    }

    void wait() {
        error_.reset();
        io_.restart();
        io_.run();
        if (error_ && *error_) unreachable(url_, error_->message());
    }

    const HttpUrl& url_;
    const HttpCall& call_;
    asio::io_context io_{1};
    asio::ssl::context context_{asio::ssl::context::tls_client};
    std::optional<beast::error_code> error_;
};

}  // namespace

HttpUrl parse_url(std::string_view url) {
    const auto wrong = [&] {
        return CommandError(
            fmt::format("--url: {} is not a URL of a service, such as http://127.0.0.1:8402", url));
    };
    HttpUrl parsed;
    auto rest = url;
    if (rest.starts_with("http://"))
        rest.remove_prefix(7);
    else if (rest.starts_with("https://"))
        rest.remove_prefix(8);
    else
        throw wrong();
    parsed.tls = url.starts_with("https://");
    if (rest.ends_with('/')) rest.remove_suffix(1);
    if (rest.empty() || rest.find_first_of("/?#@ ") != std::string_view::npos) throw wrong();
    parsed.authority = rest;
    const auto colon = rest.find(':', rest.starts_with('[') ? rest.find(']') : 0);
    parsed.host = rest.substr(0, colon);
    parsed.port = parsed.tls ? "443" : "80";
    if (colon != std::string_view::npos) parsed.port = rest.substr(colon + 1);
    if (parsed.host.starts_with('[') && parsed.host.ends_with(']'))
        parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
    if (parsed.host.empty() || parsed.port.empty()) throw wrong();
    return parsed;
}

HttpAnswer call(const HttpUrl& url, const HttpCall& call) {
    return Exchange(url, call).run();
}

std::string escaped(std::string_view text) {
    constexpr std::string_view kUnreserved =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string out;
    for (const char letter : text) {
        if (kUnreserved.find(letter) != std::string_view::npos)
            out += letter;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(letter));
    }
    return out;
}

}  // namespace millrace::api
