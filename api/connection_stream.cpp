#include "api/connection_stream.hpp"

#include "api/coalescing_stream.hpp"

#include <spdlog/spdlog.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket.hpp>

namespace millrace::api {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

namespace {

constexpr const char* kSubprotocol = "millrace.v1";
constexpr std::size_t kReadBytes = 16 * 1024;
/// What a long frame took is given back after it.
constexpr std::size_t kKeptCapacity = 16 * 1024;
/// So much of a frame beyond the limit is read and thrown away, so that its error can be read.
constexpr std::size_t kSkippedBytesMax = 4 * 1024 * 1024;
/// The socket's own share of what is unsent; the rest waits in the outbox, where it is counted.
constexpr std::size_t kUnsentMax = 128 * 1024;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// A WebSocket and its session. Two coroutines hold it: one reads, one writes.
class StreamConnection : public std::enable_shared_from_this<StreamConnection> {
public:
    StreamConnection(Gateway& gateway, asio::ip::tcp::socket socket, Ticket ticket)
        : gateway_(gateway),
          ticket_(std::move(ticket)),
          socket_(std::move(socket), kUnsentMax),
          patience_(gateway.context()),
          outbox_(std::make_shared<stream::Outbox>(gateway.context().get_executor(),
                                                   gateway.config().limits.outbound_bytes_max)) {
        const auto& limits = gateway.config().limits;
        websocket::stream_base::timeout timeout{};
        timeout.handshake_timeout = limits.handshake_timeout;
        timeout.idle_timeout = limits.idle_timeout;
        timeout.keep_alive_pings = true;
        socket_.set_option(timeout);
        socket_.auto_fragment(false);
        // The limit is kept here, where a frame beyond it can still be answered.
        socket_.read_message_max(0);
        socket_.text(true);
    }

    Task<bool> accept(UpgradeRequest request, bool echo_protocol) {
        if (echo_protocol)
            socket_.set_option(
                websocket::stream_base::decorator([](websocket::response_type& response) {
                    response.set(beast::http::field::sec_websocket_protocol, kSubprotocol);
                }));
        const auto [error] = co_await socket_.async_accept(request, kTuple);
        co_return !error;
    }

    Task<void> run(std::optional<Principal> principal) {
        session_ = gateway_.open_session(outbox_, std::move(principal));
        socket_.next_layer().on_read_waits([this] { gateway_.submit_soon(); });
        const auto drain = gateway_.on_drain([this] {
            draining_ = true;
            outbox_->wake();
        });
        asio::co_spawn(gateway_.context(), write(shared_from_this()),
                       [](const std::exception_ptr& error) {
                           if (error) std::rethrow_exception(error);
                       });
        try {
            co_await read();
        } catch (const std::exception& error) {
            spdlog::error("a stream ended in a failure: {}", error.what());
            cut();
        }
        gateway_.forget_drain(drain);
        socket_.next_layer().on_read_waits({});
        gateway_.submit_soon();
        gateway_.close_session(session_);
        outbox_->shut();
    }

private:
    Task<void> read() {
        beast::flat_buffer buffer;
        std::size_t skipped = 0;
        for (;;) {
            if (outbox_->is_full()) {
                gateway_.submit_soon();
                co_await outbox_->room();
            }
            const auto [error, count] =
                co_await socket_.async_read_some(buffer, kReadBytes, kTuple);
            if (error) co_return;
            if (skipped > 0)
                skipped += count;
            else if (buffer.size() > gateway_.config().limits.frame_bytes_max)
                skipped = refuse_long_frame(buffer);
            if (skipped > 0) buffer.clear();
            if (skipped > kSkippedBytesMax) end_with(websocket::close_code::too_big);
            if (!socket_.is_message_done()) continue;
            if (skipped == 0) receive(buffer);
            skipped = 0;
            buffer.clear();
            if (buffer.capacity() > kKeptCapacity) buffer = {};
        }
    }

    std::size_t refuse_long_frame(const beast::flat_buffer& buffer) {
        if (takes_frames())
            session_->refuse(
                stream::bad_request({}, "The frame is too long.",
                                    std::to_string(gateway_.config().limits.frame_bytes_max)));
        look_for_abuse();
        return buffer.size();
    }

    void receive(const beast::flat_buffer& buffer) {
        if (!takes_frames()) return;
        gateway_.enter(Stage::parse);
        if (!socket_.got_text()) {
            session_->refuse(stream::bad_request({}, "Expected a text frame, not a binary one."));
        } else {
            const auto data = buffer.cdata();
            session_->receive({static_cast<const char*>(data.data()), data.size()});
        }
        look_for_abuse();
    }

    bool takes_frames() const { return !draining_ && !end_; }

    void look_for_abuse() {
        if (session_->is_abusive()) end_with(websocket::close_code::policy_error);
    }

    void end_with(websocket::close_code code) {
        if (!end_) end_ = code;
        outbox_->wake();
    }

    static Task<void> write(std::shared_ptr<StreamConnection> self) {
        try {
            co_await self->write_all();
        } catch (const std::exception& error) {
            spdlog::error("a stream ended in a failure: {}", error.what());
            self->cut();
            self->outbox_->shut();
        }
        self->patience_.cancel();
    }

    Task<void> write_all() {
        stream::Outbox::Messages messages;
        for (;;) {
            co_await outbox_->wait();
            if (outbox_->is_shut()) co_return;
            outbox_->take(messages);
            if (!co_await write_messages(messages)) {
                cut();
                outbox_->shut();
                co_return;
            }
            outbox_->sent();
            if (!outbox_->empty()) continue;
            if (draining_ && session_->in_flight() == 0)
                end_with(websocket::close_code::going_away);
            if (end_) break;
        }
        be_patient();
        co_await socket_.async_close({*end_, reason_of(*end_)}, kTuple);
    }

    /// All messages in one write of the socket, as far as it takes them. False when the peer is
    /// gone, or reads too slowly.
    Task<bool> write_messages(const stream::Outbox::Messages& messages) {
        if (messages.ends.empty()) co_return true;
        const Gateway::Writing writing(gateway_);
        be_patient();
        auto& gathered = socket_.next_layer();
        gathered.cork();
        std::size_t begin = 0;
        for (const auto end : messages.ends) {
            const auto [error, count] = co_await socket_.async_write(
                asio::const_buffer(messages.text.data() + begin, end - begin), kTuple);
            if (error) co_return false;
            begin = end;
        }
        const auto [error] = co_await gathered.async_wait_sent(kTuple);
        patience_.cancel();
        co_return !error;
    }

    /// A peer that does not read is cut off: the idle timeout of the WebSocket looks at reads only.
    void be_patient() {
        patience_.expires_after(gateway_.config().limits.idle_timeout);
        patience_.async_wait([self = weak_from_this()](boost::system::error_code error) {
            const auto connection = self.lock();
            if (error || !connection) return;
            connection->gateway_.services().metrics.connections_too_slow.Increment();
            connection->cut();
        });
    }

    void cut() {
        boost::system::error_code ignored;
        beast::get_lowest_layer(socket_).close(ignored);
    }

    static const char* reason_of(websocket::close_code code) {
        if (code == websocket::close_code::going_away) return "the service is shutting down";
        if (code == websocket::close_code::too_big) return "the frame is far too long";
        return "too many bad requests";
    }

    Gateway& gateway_;
    Ticket ticket_;
    websocket::stream<CoalescingStream> socket_;
    asio::steady_timer patience_;
    std::shared_ptr<stream::Outbox> outbox_;
    std::shared_ptr<stream::Session> session_;
    std::optional<websocket::close_code> end_;
    bool draining_ = false;
};

}  // namespace

bool offers_stream(const UpgradeRequest& request, bool& named) {
    named = false;
    bool offered = false;
    const auto range = request.equal_range(beast::http::field::sec_websocket_protocol);
    for (auto it = range.first; it != range.second; ++it) {
        for (const auto& token : beast::http::token_list(it->value())) {
            named = true;
            offered |= token == kSubprotocol;
        }
    }
    return offered;
}

Task<void> serve_stream(Gateway& gateway, asio::ip::tcp::socket socket, UpgradeRequest request,
                        std::optional<Principal> principal, Ticket ticket) {
    bool named = false;
    const bool echo = offers_stream(request, named);
    const auto connection =
        std::make_shared<StreamConnection>(gateway, std::move(socket), std::move(ticket));
    const bool accepted = co_await connection->accept(std::move(request), echo);
    if (accepted) co_await connection->run(std::move(principal));
}

}  // namespace millrace::api
