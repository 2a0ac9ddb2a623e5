#include "api/task.hpp"

#include "api/cli/bench/load_connection.hpp"
#include "api/coalescing_stream.hpp"

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/json.hpp>

#include <charconv>
#include <deque>
#include <stdexcept>
#include <vector>

namespace millrace::api::bench {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace json = boost::json;
namespace websocket = beast::websocket;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMessageBytesMax = 16 * 1024 * 1024;
constexpr std::size_t kRefusalBytes = 300;
constexpr std::size_t kUnsentMax = 1024 * 1024;

std::uint64_t id_of(const json::object& answer) {
    const auto* id = answer.if_contains("id");
    if (!id || !id->is_number())
        throw std::runtime_error("an answer without a number: " + json::serialize(answer));
    return id->to_number<std::uint64_t>();
}

}  // namespace

class LoadConnection::Socket {
public:
    Socket(asio::io_context& context, std::size_t array_max, OnMessage on_message)
        : context_(context),
          stream_(asio::ip::tcp::socket(context), kUnsentMax),
          array_max_(array_max),
          on_message_(std::move(on_message)) {}

    void connect(const StreamAddress& address, const std::string& token) {
        asio::ip::tcp::resolver resolver(context_);
        asio::ip::tcp::socket socket(context_);
        asio::connect(socket, resolver.resolve(address.host, address.port));
        socket.set_option(asio::ip::tcp::no_delay(true));
        stream_.next_layer() = CoalescingStream(std::move(socket), kUnsentMax);
        stream_.next_layer().on_read_waits([this] {
            has_read_all_ = true;
            send();
        });
        stream_.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
            request.set(beast::http::field::authorization, "Bearer " + token);
            request.set(beast::http::field::sec_websocket_protocol, "millrace.v1");
        }));
        stream_.read_message_max(kMessageBytesMax);
        // Out of work, it would be stopped.
        const auto work = asio::make_work_guard(context_);
        bool is_open = false;
        stream_.async_handshake(address.host + ":" + address.port, "/v1/stream",
                                [&](beast::error_code error) {
                                    if (error) throw beast::system_error(error);
                                    is_open = true;
                                });
        while (!is_open) context_.run_one();
        stream_.text(true);
        read();
    }

    void queue(const std::string& request) { ready_.push_back(&request); }

    void flush() {
        if (writing_ || ready_.empty()) return;
        outgoing_.clear();
        const auto count = std::min(ready_.size(), array_max_);
        if (count > 1) outgoing_ += '[';
        for (std::size_t i = 0; i < count; ++i) {
            if (i > 0) outgoing_ += ',';
            outgoing_ += *ready_.front();
            ready_.pop_front();
        }
        if (count > 1) outgoing_ += ']';
        writing_ = true;
        stream_.next_layer().cork();
        stream_.async_write(asio::buffer(outgoing_), [this](beast::error_code error, std::size_t) {
            if (error) throw beast::system_error(error);
            writing_ = false;
            flush();
            send();
        });
    }

private:
    /// All that the answers read so far have released leaves together.
    void send() {
        if (has_read_all_ && !writing_) stream_.next_layer().uncork();
    }

    void read() {
        stream_.async_read(buffer_, [this](beast::error_code error, std::size_t) {
            if (error) throw beast::system_error(error);
            const auto now = Clock::now();
            has_read_all_ = false;
            const auto data = buffer_.cdata();
            take({static_cast<const char*>(data.data()), data.size()}, now);
            buffer_.consume(buffer_.size());
            read();
        });
    }

    void take(std::string_view text, Clock::time_point now) {
        answers_.clear();
        refusal_.clear();
        if (text.find("\"error\":") == std::string_view::npos)
            find_ids(text);
        else
            parse(text);
        on_message_({answers_, now, refusal_});
    }

    /// Results are told apart by their ids alone, so that the generator costs little beside the
    /// service, whose text has no other member of that name.
    void find_ids(std::string_view text) {
        constexpr std::string_view kId = "\"id\":";
        for (auto at = text.find(kId); at != std::string_view::npos; at = text.find(kId, at)) {
            at += kId.size();
            std::uint64_t id = 0;
            const auto parsed = std::from_chars(text.data() + at, text.data() + text.size(), id);
            if (parsed.ec != std::errc{}) throw std::runtime_error("an answer without a number");
            answers_.push_back({id, false});
        }
    }

    void parse(std::string_view text) {
        const auto message = json::parse(text);
        const auto take_one = [&](const json::object& answer) {
            const auto* error = answer.if_contains("error");
            if (error) refusal_ = json::serialize(*error).substr(0, kRefusalBytes);
            answers_.push_back({id_of(answer), error != nullptr});
        };
        if (message.is_array())
            for (const auto& one : message.get_array()) take_one(one.as_object());
        else
            take_one(message.as_object());
    }

    asio::io_context& context_;
    websocket::stream<CoalescingStream> stream_;
    std::size_t array_max_;
    OnMessage on_message_;
    std::deque<const std::string*> ready_;
    std::string outgoing_;
    beast::flat_buffer buffer_;
    std::vector<LoadAnswer> answers_;
    std::string refusal_;
    bool writing_ = false;
    bool has_read_all_ = true;
};

LoadConnection::LoadConnection(asio::io_context& context, std::size_t array_max,
                               OnMessage on_message)
    : socket_(std::make_unique<Socket>(context, array_max, std::move(on_message))) {}

LoadConnection::~LoadConnection() = default;

void LoadConnection::connect(const StreamAddress& address, const std::string& token) {
    socket_->connect(address, token);
}

void LoadConnection::queue(const std::string& request) {
    socket_->queue(request);
}

void LoadConnection::flush() {
    socket_->flush();
}

}  // namespace millrace::api::bench
