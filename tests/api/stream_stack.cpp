#include "tests/api/stream_stack.hpp"

#include "api/clock.hpp"
#include "channel/hex.hpp"
#include "channel/keccak.hpp"
#include "tests/api/submit_one.hpp"

#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <fstream>

namespace support {

namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

constexpr std::uint32_t kTestGateway = 0xfffffff0;
constexpr timeval kPatience{20, 0};

void write_key(const std::filesystem::path& path, unsigned n) {
    std::ofstream(path) << channel::to_hex(channel::keccak256("stack key " + std::to_string(n)));
    ::chmod(path.c_str(), 0600);
}

/// The query comes back as fields of the header.
api::Task<api::HttpResponse> echo(api::HttpRequest request) {
    api::HttpResponse response{
        200, "text/plain", request.method + " " + request.path + " " + request.body, {}};
    response.headers.assign(request.query.begin(), request.query.end());
    co_return response;
}

}  // namespace

StreamStack::StreamStack(const Change& change) {
    std::string pattern = std::filesystem::temp_directory_path() / "millrace-stream-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    config.server.port = 0;
    config.server.io_threads = 2;
    config.ledger.postgres = books.postgres.service_url();
    config.keys.relayer_file = directory_ / "relayer";
    config.keys.receiver_authorizer_file = directory_ / "authorizer";
    config.keys.in_process = true;
    write_key(config.keys.relayer_file, 1);
    write_key(config.keys.receiver_authorizer_file, 2);
    if (change) change(config);

    tokens_ = std::make_unique<api::Tokens>(config.auth);
    challenges_ = std::make_unique<api::Challenges>(config);
    server_ = std::make_unique<api::Server>(config, metrics_);
    database_ = std::make_unique<api::Database>(config.ledger.postgres, 2);
    api::ShardsSettings settings;
    settings.postgres = config.ledger.postgres;
    settings.queue_max = config.limits.shard_queue_max;
    settings.holder = "test";
    settings.worked = [this](auto... work) { metrics_.worked(work...); };
    settings.waited = [this](auto... wait) { metrics_.waited(wait...); };
    shards_ = std::make_unique<api::Shards>(
        settings, books.assets,
        [this](std::uint32_t gateway, std::vector<ledger::Answer> answers) {
            if (gateway != kTestGateway) {
                server_->deliver(gateway, std::move(answers));
                return;
            }
            const std::lock_guard lock(mutex_);
            opened_count_ += answers.size();
            opened_.notify_all();
        },
        [this](std::span<const ledger::Answer> answers) { server_->publish(answers); },
        [](const std::string& why) { throw std::runtime_error(why); });
    chain_ = std::make_unique<api::ChainService>(
        config, books.assets, *database_, *shards_,
        [this](const api::ChainService::SettlementEvent& event) { server_->publish(event); });
    shards_->start([](const std::string&) {});
    server_->start(
        {config, books.assets, *database_, *shards_, *chain_, *tokens_, *challenges_, metrics_},
        echo);
}

StreamStack::~StreamStack() {
    chain_->stop();
    shards_->stop();
    server_->stop();
    chain_.reset();
    shards_.reset();
    database_.reset();
    server_.reset();
    std::filesystem::remove_all(directory_);
}

Payer StreamStack::opened(unsigned n, std::uint64_t balance, unsigned receiver) {
    auto one = payer(books, n, receiver);
    auto open = one.open(balance);
    open.reply_to.gateway = kTestGateway;
    std::unique_lock lock(mutex_);
    const auto count = opened_count_ + 1;
    if (!submit_one(*shards_, std::move(open))) throw std::runtime_error("refused");
    opened_.wait(lock, [&] { return opened_count_ >= count; });
    return one;
}

std::string StreamStack::token(const channel::Address& address) const {
    return tokens_->issue(address, api::now()).first;
}

std::string StreamStack::delegated_token(const channel::Address& address,
                                         const channel::Address& delegate) const {
    return tokens_->issue({address, delegate, ledger::Time::max()}, api::now()).first;
}

asio::ip::tcp::socket connected(asio::io_context& io, std::uint16_t port) {
    asio::ip::tcp::socket socket(io);
    socket.connect({asio::ip::address_v4::loopback(), port});
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    return socket;
}

StreamClient::StreamClient(std::uint16_t port, const Options& options) : socket_(io_) {
    auto& socket = socket_.next_layer();
    socket.open(asio::ip::tcp::v4());
    if (options.receive_bytes > 0)
        socket.set_option(asio::socket_base::receive_buffer_size(options.receive_bytes));
    socket.connect({asio::ip::address_v4::loopback(), port});
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    socket_.set_option(beast::websocket::stream_base::decorator(
        [options](beast::websocket::request_type& request) {
            if (!options.token.empty())
                request.set(beast::http::field::authorization, "Bearer " + options.token);
            if (!options.protocols.empty())
                request.set(beast::http::field::sec_websocket_protocol, options.protocols);
        }));
    socket_.read_message_max(64 * 1024 * 1024);
    beast::websocket::response_type response;
    socket_.handshake(response, "127.0.0.1", "/v1/stream");
    protocol_ = std::string(response[beast::http::field::sec_websocket_protocol]);
    socket_.text(true);
}

void StreamClient::send(const std::string& text) {
    socket_.text(true);
    socket_.write(asio::buffer(text));
}

void StreamClient::send_binary(const std::string& bytes) {
    socket_.binary(true);
    socket_.write(asio::buffer(bytes));
}

std::string StreamClient::receive() {
    buffer_.clear();
    beast::error_code error;
    socket_.read(buffer_, error);
    if (error == beast::websocket::error::closed)
        return "closed " + std::to_string(socket_.reason().code);
    if (error) throw boost::system::system_error(error);
    return beast::buffers_to_string(buffer_.data());
}

boost::json::value StreamClient::receive_json() {
    const auto text = receive();
    boost::system::error_code error;
    auto value = boost::json::parse(text, error);
    return error ? boost::json::value(text) : value;
}

boost::json::value StreamClient::call(const std::string& method, const std::string& params,
                                      int id) {
    send(R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":")" + method +
         R"(","params":)" + params + "}");
    return receive_json();
}

beast::http::response<beast::http::string_body> exchange(std::uint16_t port,
                                                         const std::string& request) {
    asio::io_context io;
    auto socket = connected(io, port);
    asio::write(socket, asio::buffer(request));
    beast::flat_buffer buffer;
    beast::http::response<beast::http::string_body> response;
    beast::http::read(socket, buffer, response);
    return response;
}

std::string pay_text(const Payer& payer, const std::string& id, std::uint64_t amount,
                     std::uint64_t max, const std::string& rpc_id) {
    const auto voucher = payer.voucher(max);
    return R"({"jsonrpc":"2.0","id":)" + rpc_id +
           R"(,"method":"payment.pay","params":{"channelId":")" + channel::to_hex(payer.terms.id) +
           R"(","inference":{"id":")" + id + R"(","model":"m","units":2},"amount":")" +
           std::to_string(amount) + R"(","voucher":{"maxClaimableAmount":")" + std::to_string(max) +
           R"(","signature":")" + channel::to_hex(voucher.signature) + R"("}}})";
}

std::string at(const boost::json::value& value, std::string_view path) {
    const auto* here = &value;
    while (!path.empty()) {
        const auto dot = path.find('.');
        const auto name = path.substr(0, dot);
        path = dot == path.npos ? std::string_view{} : path.substr(dot + 1);
        const auto* object = here->if_object();
        here = object ? object->if_contains(name) : nullptr;
        if (!here) return "missing";
    }
    if (const auto* text = here->if_string()) return std::string(*text);
    return boost::json::serialize(*here);
}

}  // namespace support
