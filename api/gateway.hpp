#pragma once

#include "api/services.hpp"
#include "api/stage_clock.hpp"
#include "api/stream/parse.hpp"
#include "api/stream/session.hpp"
#include "api/subscriptions.hpp"
#include "ledger/request.hpp"

#include <boost/asio/io_context.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace millrace::api {

/// One I/O thread's share of the service: its connections and sessions, and their way to the shards
/// and back. Used by its own thread only, but for what says otherwise.
class Gateway {
public:
    /// `config` and `interest` outlive it.
    Gateway(std::uint32_t index, const Config& config, Interest& interest);
    ~Gateway();

    boost::asio::io_context& context() { return context_; }
    std::uint32_t index() const { return index_; }
    const Config& config() const { return config_; }

    /// Before the first connection.
    void use(const Services& services);
    const Services& services() const { return *services_; }
    const std::string& server_info() const { return server_info_; }
    stream::FrameParser& parser() { return parser_; }
    Subscriptions& subscriptions() { return subscriptions_; }

    std::shared_ptr<stream::Session> open_session(std::shared_ptr<stream::Outbox> outbox,
                                                  std::optional<Principal> principal);
    void close_session(const std::shared_ptr<stream::Session>& session);

    /// Collects requests for the shards until `submit`: all that was readable at once, from all
    /// connections, is handed over together.
    void enqueue(ledger::PaymentRequest request);
    void submit_soon();

    /// Answers of a batch, and events. Called from any thread.
    void deliver(std::vector<ledger::Answer> answers);
    void publish(LiveEvents events);

    /// What this thread's time is booked to from now on.
    void enter(Stage stage);
    /// While there is one, somebody writes answers to a socket; afterwards the thread reads.
    class Writing {
    public:
        explicit Writing(Gateway& gateway);
        ~Writing();
        Writing(const Writing&) = delete;
        Writing& operator=(const Writing&) = delete;

    private:
        Gateway& gateway_;
    };

    /// A payment was answered with a result; counted in bulk.
    void count_paid(stream::Method method);

    /// Called once when the service drains: at once if it does already. The number takes it back.
    std::uint64_t on_drain(std::function<void()> drain);
    void forget_drain(std::uint64_t number);
    /// From any thread: no frame and no request is taken any longer; connections end when they have
    /// answered what they took.
    void drain();
    bool draining() const { return draining_; }

private:
    void submit();
    void answer(ledger::Answer& answer);
    void report_counts();

    std::uint32_t index_;
    const Config& config_;
    // Outlive what still runs in the context.
    std::optional<StageClock> clock_;
    std::size_t writers_ = 0;
    boost::asio::io_context context_;
    std::optional<Services> services_;
    std::string server_info_;
    stream::FrameParser parser_;
    Subscriptions subscriptions_;

    std::uint64_t next_number_ = 1;
    std::unordered_map<std::uint64_t, std::shared_ptr<stream::Session>> sessions_;
    std::vector<ledger::Request> collected_;
    bool submit_posted_ = false;
    std::array<std::uint64_t, 5> paid_{};
    std::unordered_map<std::uint64_t, std::function<void()>> drains_;
    bool draining_ = false;
};

}  // namespace millrace::api
