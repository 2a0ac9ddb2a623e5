#pragma once

// Asio's awaitable needs <utility> before it with GCC 12.
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/websocket/teardown.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace millrace::api {

/// A socket for a websocket::stream to sit on, whose writes are gathered: what is written is kept
/// and counts as written at once, and leaves in one write of the socket: when nothing is corked or
/// `uncork` is called, and again when what was under way has left. Order is kept, whoever writes.
/// A failed write shows in every later one. Used by one thread.
class CoalescingStream {
public:
    using next_layer_type = boost::asio::ip::tcp::socket;
    using executor_type = next_layer_type::executor_type;

private:
    using Error = boost::system::error_code;
    /// Outlives the stream while an operation of the socket is under way.
    struct State : std::enable_shared_from_this<State> {
        State(next_layer_type connected, std::size_t most)
            : socket(std::move(connected)),
              progress(socket.get_executor(), boost::asio::steady_timer::time_point::max()),
              unsent_max(most) {
            Error ignored;
            socket.non_blocking(true, ignored);
        }

        std::size_t unsent() const { return waiting.size() + leaving.size(); }

        void send() {
            if (sending || failed || waiting.empty()) return;
            sending = true;
            leaving.swap(waiting);
            boost::asio::async_write(
                socket, boost::asio::buffer(leaving),
                [self = shared_from_this()](Error error, std::size_t) { self->sent(error); });
        }

        void sent(Error error) {
            sending = false;
            leaving.clear();
            if (error) {
                failed = error;
                waiting.clear();
            }
            if (!corked || unsent() > unsent_max) send();
            // Wakes whoever waits, never having expired.
            progress.cancel();
        }

        next_layer_type socket;
        boost::asio::steady_timer progress;
        std::function<void()> read_waits;
        std::size_t unsent_max;
        std::string waiting;
        std::string leaving;
        bool corked = false;
        bool sending = false;
        Error failed;
    };

    struct ReadOp {
        std::shared_ptr<State> state;
        boost::asio::mutable_buffer buffer;
        enum { begun, done, waited } step = begun;
        Error error{};
        std::size_t bytes = 0;

        template <class Self>
        void operator()(Self& self, Error result = {}, std::size_t count = 0) {
            switch (step) {
                case begun:
                    bytes = state->socket.read_some(boost::asio::buffer(buffer), error);
                    if (error == boost::asio::error::would_block ||
                        error == boost::asio::error::try_again) {
                        if (state->read_waits) state->read_waits();
                        step = waited;
                        auto held = state;
                        const auto into = buffer;
                        held->socket.async_read_some(boost::asio::buffer(into), std::move(self));
                        return;
                    }
                    step = done;
                    boost::asio::post(std::move(self));
                    return;
                case done:
                    self.complete(error, bytes);
                    return;
                case waited:
                    self.complete(result, count);
                    return;
            }
        }
    };

    struct WriteOp {
        std::shared_ptr<State> state;
        std::size_t size = 0;
        bool begun = false;

        template <class Self>
        void operator()(Self& self, Error = {}) {
            if (!begun) {
                begun = true;
                boost::asio::post(std::move(self));
                return;
            }
            if (!state->failed && state->unsent() > state->unsent_max) {
                auto held = state;
                held->progress.async_wait(std::move(self));
                return;
            }
            const auto error = state->failed;
            self.complete(error, error ? 0 : size);
        }
    };

    struct SentOp {
        std::shared_ptr<State> state;
        bool begun = false;

        template <class Self>
        void operator()(Self& self, Error = {}) {
            if (!begun) {
                begun = true;
                state->corked = false;
                state->send();
                boost::asio::post(std::move(self));
                return;
            }
            if (!state->failed && state->unsent() > 0) {
                auto held = state;
                held->progress.async_wait(std::move(self));
                return;
            }
            const auto error = state->failed;
            self.complete(error);
        }
    };

public:
    /// Beyond `unsent_max` bytes a write waits until fewer are left, corked or not.
    CoalescingStream(next_layer_type socket, std::size_t unsent_max)
        : state_(std::make_shared<State>(std::move(socket), unsent_max)) {}
    CoalescingStream(CoalescingStream&&) = default;
    CoalescingStream& operator=(CoalescingStream&&) = default;

    executor_type get_executor() { return state_->socket.get_executor(); }
    next_layer_type& next_layer() { return state_->socket; }
    const next_layer_type& next_layer() const { return state_->socket; }

    /// Called whenever a read has taken all that the peer has sent so far and begins to wait.
    void on_read_waits(std::function<void()> waits) { state_->read_waits = std::move(waits); }

    void cork() { state_->corked = true; }
    void uncork() {
        state_->corked = false;
        state_->send();
    }

    template <class Buffers, class Token>
    auto async_read_some(const Buffers& buffers, Token&& token) {
        return boost::asio::async_compose<Token, void(Error, std::size_t)>(
            ReadOp{state_, first_of(buffers)}, token, state_->socket);
    }

    template <class Buffers, class Token>
    auto async_write_some(const Buffers& buffers, Token&& token) {
        const auto size = boost::asio::buffer_size(buffers);
        if (!state_->failed) {
            const auto before = state_->waiting.size();
            state_->waiting.resize(before + size);
            boost::asio::buffer_copy(boost::asio::buffer(state_->waiting.data() + before, size),
                                     buffers);
            if (!state_->corked || state_->unsent() > state_->unsent_max) state_->send();
        }
        return boost::asio::async_compose<Token, void(Error, std::size_t)>(WriteOp{state_, size},
                                                                           token, state_->socket);
    }

    /// Completes when everything has left, or with the error that stopped it.
    template <class Token>
    auto async_wait_sent(Token&& token) {
        return boost::asio::async_compose<Token, void(Error)>(SentOp{state_}, token,
                                                              state_->socket);
    }

    template <class TeardownHandler>
    friend void async_teardown(boost::beast::role_type role, CoalescingStream& stream,
                               TeardownHandler&& handler) {
        // Nothing is cut off that counts as written.
        stream.async_wait_sent([role, state = stream.state_,
                                handler = std::forward<TeardownHandler>(handler)](Error) mutable {
            using boost::beast::websocket::async_teardown;
            async_teardown(role, state->socket, std::move(handler));
        });
    }

private:
    /// Reading into the first part of the buffers that is not empty is reading some.
    template <class Buffers>
    static boost::asio::mutable_buffer first_of(const Buffers& buffers) {
        const auto end = boost::asio::buffer_sequence_end(buffers);
        for (auto it = boost::asio::buffer_sequence_begin(buffers); it != end; ++it)
            if (boost::asio::mutable_buffer one = *it; one.size() > 0) return one;
        return {};
    }

    std::shared_ptr<State> state_;
};

inline void teardown(boost::beast::role_type role, CoalescingStream& stream,
                     boost::system::error_code& error) {
    boost::beast::websocket::teardown(role, stream.next_layer(), error);
}

}  // namespace millrace::api
