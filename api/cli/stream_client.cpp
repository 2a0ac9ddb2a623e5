#include "api/task.hpp"

#include "api/cli/stream_client.hpp"

#include <fmt/format.h>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/json.hpp>

#include <deque>

namespace millrace::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
namespace json = boost::json;

constexpr std::size_t kMessageBytesMax = 16 * 1024 * 1024;

std::string text_member(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::string describe(std::string_view method, const json::object& error) {
    const auto* data = error.if_contains("data");
    const auto of_data = [&](std::string_view name, std::string_view before,
                             std::string_view behind) {
        const auto value = data && data->is_object() ? text_member(data->get_object(), name) : "";
        return value.empty() ? value : fmt::format("{}{}{}", before, value, behind);
    };
    return fmt::format("{} was refused: ", method) + of_data("reason", "", ": ") +
           text_member(error, "message") + of_data("field", " (", ")") +
           of_data("limit", " (limit ", ")");
}

StreamMessage read_message(json::value parsed) {
    auto& object = parsed.as_object();
    StreamMessage message;
    if (auto* params = object.if_contains("params")) {
        message.body = std::move(params->as_object());
        return message;
    }
    message.id = object.at("id").to_number<std::uint64_t>();
    message.failed = object.contains("error");
    message.body = std::move(object.at(message.failed ? "error" : "result").as_object());
    return message;
}

}  // namespace

StreamRefusal::StreamRefusal(std::string_view method, const json::object& error)
    : std::runtime_error(describe(method, error)) {
    const auto* data = error.if_contains("data");
    if (data && data->is_object()) reason = text_member(data->as_object(), "reason");
}

/// Drives asynchronous operations to their end, or to a deadline: blocking ones have none.
class StreamClient::Socket {
public:
    Socket(const StreamAddress& address, const std::string& bearer,
           std::chrono::milliseconds patience)
        : patience_(patience), stream_(context_) {
        asio::ip::tcp::resolver resolver(context_);
        asio::connect(stream_.next_layer(), resolver.resolve(address.host, address.port));
        stream_.next_layer().set_option(asio::ip::tcp::no_delay(true));
        stream_.set_option(
            websocket::stream_base::decorator([bearer](websocket::request_type& request) {
                request.set(beast::http::field::sec_websocket_protocol, "millrace.v1");
                if (!bearer.empty())
                    request.set(beast::http::field::authorization, "Bearer " + bearer);
            }));
        stream_.read_message_max(kMessageBytesMax);
        stream_.text(true);
        bool done = false;
        stream_.async_handshake(address.host + ":" + address.port, "/v1/stream",
                                [&](boost::system::error_code error) {
                                    done = true;
                                    check(error, "handshake");
                                });
        finish(done, "handshake");
    }

    void write(const std::string& text) {
        bool done = false;
        stream_.async_write(asio::buffer(text), [&](boost::system::error_code error, std::size_t) {
            done = true;
            check(error, "send");
        });
        finish(done, "send");
    }

    /// The next message, those in `kept_` first; nullopt when none comes in time.
    std::optional<StreamMessage> next(std::chrono::milliseconds time) {
        if (kept_.empty()) read_within(time);
        if (kept_.empty()) return std::nullopt;
        auto message = std::move(kept_.front());
        kept_.pop_front();
        return message;
    }

    /// Reads until the answer to `id` comes, keeping all else.
    StreamMessage answer_to(std::uint64_t id) {
        for (std::size_t looked_at = 0;;) {
            for (; looked_at < kept_.size(); ++looked_at) {
                if (kept_[looked_at].id != id) continue;
                auto message = std::move(kept_[looked_at]);
                kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(looked_at));
                return message;
            }
            read_within(patience_);
            if (looked_at == kept_.size()) throw std::runtime_error("no answer from the service");
        }
    }

    std::chrono::milliseconds patience() const { return patience_; }

private:
    static void check(boost::system::error_code error, std::string_view doing) {
        if (error)
            throw std::runtime_error(fmt::format("the connection to the service failed ({}): {}",
                                                 doing, error.message()));
    }

    void finish(const bool& done, std::string_view doing) {
        context_.restart();
        const auto deadline = std::chrono::steady_clock::now() + patience_;
        while (!done && std::chrono::steady_clock::now() < deadline)
            context_.run_one_until(deadline);
        if (!done) throw std::runtime_error(fmt::format("the service is silent ({})", doing));
    }

    /// Leaves at most one read under way, whatever the deadline does.
    void read_within(std::chrono::milliseconds time) {
        if (!reading_) {
            reading_ = true;
            stream_.async_read(buffer_, [this](boost::system::error_code error, std::size_t) {
                reading_ = false;
                check(error, "receive");
                take();
            });
        }
        context_.restart();
        const auto before = kept_.size();
        const auto deadline = std::chrono::steady_clock::now() + time;
        while (kept_.size() == before && std::chrono::steady_clock::now() < deadline)
            context_.run_one_until(deadline);
    }

    void take() {
        const auto data = buffer_.cdata();
        auto parsed = json::parse({static_cast<const char*>(data.data()), data.size()});
        buffer_.consume(data.size());
        if (auto* batch = parsed.if_array()) {
            for (auto& one : *batch) kept_.push_back(read_message(std::move(one)));
        } else {
            kept_.push_back(read_message(std::move(parsed)));
        }
    }

    std::chrono::milliseconds patience_;
    asio::io_context context_{1};
    websocket::stream<asio::ip::tcp::socket> stream_;
    beast::flat_buffer buffer_;
    bool reading_ = false;
    std::deque<StreamMessage> kept_;
};

StreamClient::StreamClient(const StreamAddress& address, const std::string& bearer_token,
                           std::chrono::milliseconds patience)
    : socket_(std::make_unique<Socket>(address, bearer_token, patience)) {}

StreamClient::~StreamClient() = default;

json::object StreamClient::call(std::string_view method, std::string_view params) {
    auto message = socket_->answer_to(send(method, params));
    if (message.failed) throw StreamRefusal(method, message.body);
    return std::move(message.body);
}

std::uint64_t StreamClient::send(std::string_view method, std::string_view params) {
    const auto id = ++last_id_;
    socket_->write(fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{}}})", id,
                               method, params));
    return id;
}

StreamMessage StreamClient::receive() {
    auto message = socket_->next(socket_->patience());
    if (!message) throw std::runtime_error("the service is silent");
    return std::move(*message);
}

std::optional<StreamMessage> StreamClient::receive_within(std::chrono::milliseconds time) {
    return socket_->next(time);
}

}  // namespace millrace::api
