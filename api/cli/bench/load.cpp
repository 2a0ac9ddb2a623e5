#include "api/task.hpp"

#include "api/cli/bench/load.hpp"

#include "channel/hex.hpp"
#include "channel/voucher.hpp"

#include <fmt/format.h>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>

#include <atomic>
#include <charconv>
#include <chrono>
#include <deque>
#include <stdexcept>

namespace millrace::api::bench {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using Clock = std::chrono::steady_clock;
using Socket = websocket::stream<asio::ip::tcp::socket>;

/// Request ids are channel · kIdsPerChannel + n.
constexpr std::uint64_t kIdsPerChannel = 10'000'000;
constexpr std::uint64_t kPrice = 10;

struct Lane {
    std::vector<std::string> requests;
    std::size_t sent = 0;
    std::vector<Clock::time_point> sent_at;
};

std::atomic<std::uint64_t> next_run = 1;

Lane prepare(LoadChannel& channel, std::uint64_t lane_number, std::uint64_t updates,
             std::uint64_t run) {
    Lane lane;
    lane.requests.reserve(updates);
    lane.sent_at.resize(updates);
    const auto id = channel::to_hex(channel.id);
    for (std::uint64_t n = 0; n < updates; ++n) {
        channel.charged += kPrice;
        const auto digest =
            channel::digest(channel.escrow_separator,
                            channel::Voucher{channel.id, channel::Amount{channel.charged}});
        lane.requests.push_back(fmt::format(
            R"({{"jsonrpc":"2.0","id":{},"method":"payment.pay","params":{{"channelId":"{}",)"
            R"("inference":{{"id":"b{}-{}","model":"bench"}},"amount":"{}",)"
            R"("voucher":{{"maxClaimableAmount":"{}","signature":"{}"}}}}}})",
            lane_number * kIdsPerChannel + n, id, run, channel.charged, kPrice, channel.charged,
            channel::to_hex(channel.signer->sign(digest))));
    }
    return lane;
}

class Connection {
public:
    Connection(asio::io_context& context, const LoadPlan& plan, LoadResult& result)
        : socket_(context), plan_(plan), result_(result) {}

    void connect(const std::string& host, const std::string& port, const std::string& token) {
        asio::ip::tcp::resolver resolver(socket_.get_executor());
        asio::connect(socket_.next_layer(), resolver.resolve(host, port));
        socket_.next_layer().set_option(asio::ip::tcp::no_delay(true));
        socket_.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
            request.set(beast::http::field::authorization, "Bearer " + token);
            request.set(beast::http::field::sec_websocket_protocol, "millrace.v1");
        }));
        socket_.read_message_max(16 * 1024 * 1024);
        socket_.handshake(host + ":" + port, "/v1/stream");
        socket_.text(true);
    }

    void add(std::uint64_t number, Lane lane) {
        outstanding_ += lane.requests.size();
        lanes_.emplace_back(number, std::move(lane));
    }

    void start() {
        for (auto& [number, lane] : lanes_)
            for (std::size_t n = 0; n < plan_.window; ++n) queue(lane);
        flush();
        read();
    }

private:
    void queue(Lane& lane) {
        if (lane.sent == lane.requests.size()) return;
        lane.sent_at[lane.sent] = Clock::now();
        ready_.push_back(&lane.requests[lane.sent++]);
    }

    void flush() {
        if (writing_ || ready_.empty()) return;
        outgoing_.clear();
        const auto count = std::min(ready_.size(), plan_.array_max);
        const bool array = plan_.array_max > 1 && count > 1;
        if (array) outgoing_ += '[';
        for (std::size_t i = 0; i < count; ++i) {
            if (i > 0) outgoing_ += ',';
            outgoing_ += *ready_.front();
            ready_.pop_front();
        }
        if (array) outgoing_ += ']';
        writing_ = true;
        socket_.async_write(asio::buffer(outgoing_), [this](beast::error_code error, std::size_t) {
            if (error) throw beast::system_error(error);
            writing_ = false;
            flush();
        });
    }

    void read() {
        socket_.async_read(buffer_, [this](beast::error_code error, std::size_t) {
            if (error) throw beast::system_error(error);
            const auto data = buffer_.cdata();
            take({static_cast<const char*>(data.data()), data.size()});
            buffer_.consume(buffer_.size());
            flush();
            if (outstanding_ > 0) read();
        });
    }

    /// Replies are told apart by their ids alone, so that the generator costs little beside the
    /// service: the text is our own server's, and a refusal is seen by its "error" member.
    void take(std::string_view text) {
        const auto now = Clock::now();
        constexpr std::string_view kId = "\"id\":";
        const bool any_error = text.find("\"error\":") != std::string_view::npos;
        for (auto at = text.find(kId); at != std::string_view::npos; at = text.find(kId, at)) {
            at += kId.size();
            std::uint64_t id = 0;
            const auto parsed = std::from_chars(text.data() + at, text.data() + text.size(), id);
            if (parsed.ec != std::errc{}) throw std::runtime_error("a reply without a number");
            auto& lane = lane_of(id / kIdsPerChannel);
            const auto waited = now - lane.sent_at[id % kIdsPerChannel];
            result_.latencies.add(static_cast<std::uint32_t>(
                std::chrono::duration_cast<std::chrono::microseconds>(waited).count()));
            ++result_.acknowledged;
            --outstanding_;
            queue(lane);
        }
        if (any_error) note_refusals(text);
    }

    void note_refusals(std::string_view text) {
        constexpr std::string_view kError = "\"error\":";
        for (auto at = text.find(kError); at != std::string_view::npos;
             at = text.find(kError, at + 1)) {
            if (result_.first_refusal.empty()) result_.first_refusal = text.substr(at, 300);
            ++result_.refused;
            --result_.acknowledged;
        }
    }

    Lane& lane_of(std::uint64_t number) {
        // Lanes are dealt round robin, so a connection's are evenly spaced.
        return lanes_[(number - lanes_.front().first) / plan_.connections].second;
    }

    Socket socket_;
    const LoadPlan& plan_;
    LoadResult& result_;
    std::vector<std::pair<std::uint64_t, Lane>> lanes_;
    std::deque<const std::string*> ready_;
    std::string outgoing_;
    beast::flat_buffer buffer_;
    bool writing_ = false;
    std::uint64_t outstanding_ = 0;
};

}  // namespace

LoadResult run_load(const std::string& host, const std::string& port, const std::string& token,
                    std::vector<LoadChannel>& channels, const LoadPlan& plan) {
    LoadResult result;
    asio::io_context context(1);
    std::vector<std::unique_ptr<Connection>> connections;
    for (std::size_t i = 0; i < plan.connections; ++i) {
        connections.push_back(std::make_unique<Connection>(context, plan, result));
        connections.back()->connect(host, port, token);
    }
    const auto run = next_run++;
    for (std::uint64_t lane = 0; lane < plan.channels; ++lane)
        connections[lane % plan.connections]->add(
            lane, prepare(channels.at(lane), lane, plan.updates / plan.channels, run));
    const auto begin = Clock::now();
    for (auto& connection : connections) connection->start();
    context.run();
    result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return result;
}

}  // namespace millrace::api::bench
