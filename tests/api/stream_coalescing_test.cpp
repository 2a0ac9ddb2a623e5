#include "api/coalescing_stream.hpp"
#include "tests/api/stream_stack.hpp"

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/websocket.hpp>
#include <catch2/catch.hpp>

#include <sys/socket.h>

#include <deque>
#include <thread>

namespace asio = boost::asio;
namespace beast = boost::beast;
using api_stream = millrace::api::CoalescingStream;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// A stream and the peer of its socket, with small buffers so that writes are taken in parts.
struct Pair {
    asio::io_context io{1};
    tcp::socket peer{io};
    std::optional<api_stream> stream;

    explicit Pair(std::size_t unsent_max = 64 * 1024) {
        tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
        peer.open(tcp::v4());
        peer.set_option(asio::socket_base::receive_buffer_size(4096));
        peer.connect(acceptor.local_endpoint());
        auto socket = acceptor.accept();
        socket.set_option(asio::socket_base::send_buffer_size(4096));
        const timeval patience{20, 0};
        ::setsockopt(peer.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        stream.emplace(std::move(socket), unsent_max);
    }

    /// Writes and runs what is ready; true when the write has completed.
    bool write(const std::string& text, error_code* result = nullptr) {
        auto done = std::make_shared<bool>(false);
        auto held = std::make_shared<std::string>(text);
        stream->async_write_some(asio::buffer(*held),
                                 [done, held, result](error_code error, std::size_t count) {
                                     if (result) *result = error;
                                     if (!error) CHECK(count == held->size());
                                     *done = true;
                                 });
        poll();
        return *done;
    }

    void poll() {
        io.restart();
        io.poll();
    }

    std::string read(std::size_t size) {
        std::string text(size, ' ');
        std::thread reader([&] { asio::read(peer, asio::buffer(text)); });
        bool sent = false;
        stream->async_wait_sent([&](error_code) { sent = true; });
        io.restart();
        io.run();
        reader.join();
        CHECK(sent);
        return text;
    }

    std::size_t readable() { return peer.available(); }
};

std::string pattern(std::size_t size) {
    std::string text;
    for (std::size_t n = 0; text.size() < size; ++n) text += std::to_string(n) + ' ';
    text.resize(size);
    return text;
}

}  // namespace

TEST_CASE("coalescing: what is written while corked leaves together", "[stream][coalescing]") {
    Pair pair;
    pair.stream->cork();
    CHECK(pair.write("one "));
    CHECK(pair.write("two "));
    CHECK(pair.write("three"));
    CHECK(pair.readable() == 0);
    pair.stream->uncork();
    CHECK(pair.read(13) == "one two three");
    CHECK(pair.write("four"));
    CHECK(pair.read(4) == "four");
}

TEST_CASE("coalescing: order holds when the socket takes writes in parts", "[stream][coalescing]") {
    Pair pair(16 * 1024 * 1024);
    const auto text = pattern(1'000'000);
    std::size_t at = 0;
    for (std::size_t size = 1; at < text.size(); size = size * 7 % 50'021 + 1) {
        const auto part = text.substr(at, size);
        at += part.size();
        if (size % 3 == 0) pair.stream->cork();
        REQUIRE(pair.write(part));
        if (size % 3 == 1) pair.stream->uncork();
    }
    CHECK(pair.read(text.size()) == text);
}

TEST_CASE("coalescing: beyond its limit a write waits for the peer, corked or not",
          "[stream][coalescing]") {
    for (const bool corked : {true, false}) {
        Pair pair(10'000);
        if (corked) pair.stream->cork();
        const auto text = pattern(3'000'000);
        bool done = false;
        pair.stream->async_write_some(asio::buffer(text), [&](error_code error, std::size_t count) {
            CHECK_FALSE(error);
            CHECK(count == text.size());
            done = true;
        });
        pair.poll();
        CHECK_FALSE(done);
        CHECK(pair.read(text.size()) == text);
        CHECK(done);
    }
}

TEST_CASE("coalescing: a peer that has gone fails the writes after it", "[stream][coalescing]") {
    Pair pair;
    pair.peer.set_option(asio::socket_base::linger(true, 0));
    pair.peer.close();
    error_code error;
    for (int n = 0; n < 100 && !error; ++n) CHECK(pair.write("x", &error));
    CHECK(error);
    error_code last;
    bool done = false;
    pair.stream->async_wait_sent([&](error_code result) {
        last = result;
        done = true;
    });
    pair.poll();
    CHECK(done);
    CHECK(last == error);
}

TEST_CASE("coalescing: the stream may go while the socket is still writing",
          "[stream][coalescing]") {
    Pair pair(64 * 1024 * 1024);
    REQUIRE(pair.write(pattern(4'000'000)));
    pair.stream.reset();
    pair.peer.close();
    pair.poll();
}

TEST_CASE("coalescing: a read says when it begins to wait", "[stream][coalescing]") {
    Pair pair;
    int waits = 0;
    pair.stream->on_read_waits([&] { ++waits; });
    asio::write(pair.peer, asio::buffer(std::string("abcdef")));
    std::string got;
    std::array<char, 4> part{};
    const auto read = [&] {
        pair.stream->async_read_some(asio::buffer(part), [&](error_code error, std::size_t count) {
            CHECK_FALSE(error);
            got.append(part.data(), count);
        });
        pair.poll();
    };
    read();
    read();
    CHECK(got == "abcdef");
    CHECK(waits == 0);
    read();
    CHECK(waits == 1);
    asio::write(pair.peer, asio::buffer(std::string("gh")));
    pair.io.restart();
    pair.io.run();
    CHECK(got == "abcdefgh");
}

TEST_CASE("coalescing: a WebSocket on it talks, pongs and closes while it writes",
          "[stream][coalescing]") {
    Pair pair(1000);
    beast::websocket::stream<api_stream> server(std::move(*pair.stream));
    constexpr int kMessages = 500;
    int right = 0;
    int pongs = 0;
    // The peer pings and sends all the while, reads slowly, and closes when it has heard enough.
    std::thread client([&] {
        beast::websocket::stream<tcp::socket&> socket(pair.peer);
        socket.control_callback([&](beast::websocket::frame_type type, beast::string_view) {
            pongs += type == beast::websocket::frame_type::pong;
        });
        socket.handshake("x", "/");
        beast::flat_buffer buffer;
        for (int n = 0; n < kMessages; ++n) {
            if (n % 5 == 0) socket.ping({});
            socket.write(asio::buffer(std::to_string(n)));
            socket.read(buffer);
            right += beast::buffers_to_string(buffer.data()) ==
                     std::to_string(n) + std::string(static_cast<std::size_t>(n), '.');
            buffer.clear();
        }
        socket.close(beast::websocket::close_code::normal);
    });
    std::deque<std::string> outgoing;
    beast::flat_buffer incoming;
    error_code ended;
    std::function<void()> read;
    std::function<void()> write;
    write = [&] {
        server.next_layer().cork();
        server.async_write(asio::buffer(outgoing.front()), [&](error_code error, std::size_t) {
            server.next_layer().uncork();
            if (error) return;
            outgoing.pop_front();
            if (!outgoing.empty()) write();
        });
    };
    read = [&] {
        server.async_read(incoming, [&](error_code error, std::size_t) {
            ended = error;
            if (error) return;
            const auto text = beast::buffers_to_string(incoming.data());
            incoming.clear();
            outgoing.push_back(text + std::string(std::stoul(text), '.'));
            if (outgoing.size() == 1) write();
            read();
        });
    };
    server.async_accept([&](error_code error) {
        CHECK_FALSE(error);
        read();
    });
    pair.io.restart();
    pair.io.run();
    client.join();
    CHECK(right == kMessages);
    CHECK(pongs == kMessages / 5);
    CHECK(ended == beast::websocket::error::closed);
}
