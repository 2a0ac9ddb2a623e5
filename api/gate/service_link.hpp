#pragma once

#include "api/gate/metrics.hpp"
#include "api/gate/service_wire.hpp"
#include "api/task.hpp"
#include "channel/secp256k1.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::api::gate {

/// What the service answered: a result, or an error with its reason.
struct ServiceAnswer {
    boost::json::object result;
    bool failed = false;
    std::string reason;
    std::string message;
    std::string field;
    std::string limit;
};

/// A request to the service that is on its way until it is answered, over however many connections.
class ServiceCall {
public:
    const std::optional<ServiceAnswer>& answer() const { return answer_; }

private:
    friend class ServiceLink;
    ServiceCall(boost::asio::io_context& context, std::uint64_t id, std::string frame)
        : id_(id), frame_(std::move(frame)), answered_(context) {}

    std::uint64_t id_;
    std::string frame_;
    /// May be sent again.
    bool is_repeatable_ = true;
    bool is_sent_ = false;
    std::optional<ServiceAnswer> answer_;
    std::function<void(const ServiceAnswer&)> then_;
    boost::asio::steady_timer answered_;
};

/// Keeps connected and logged in to a service's payment stream (JSON-RPC 2.0 over WebSocket), on
/// one thread. Requests are idempotent: what is unanswered when a connection ends is sent again, in
/// the same order, on the next one, and what the service was too busy for a moment later.
class ServiceLink {
public:
    struct Options {
        ServiceAddress address;
        channel::SecretKey key;
        /// JSON of a delegation by the receiver; empty: the key is the receiver's own.
        std::string delegation;
        std::chrono::milliseconds connect_timeout{5000};
    };
    struct Login {
        /// As whom the service sees this link.
        channel::Address address;
        boost::json::object server_info;
    };

    /// `on_login` is called after each login, before anything else is sent; what it returns is what
    /// stands in the way of going on, or nothing.
    using OnLogin = std::function<std::optional<std::string>(const Login&)>;
    ServiceLink(boost::asio::io_context& context, const Options& options, GateMetrics& metrics,
                OnLogin on_login);

    /// Until `stop`; run it once.
    Task<void> run();
    void stop();

    bool is_up() const { return up_; }
    /// Also for a moment after a connection has ended: what is sent then waits for the next one.
    bool is_usable() const;
    /// Requests without an answer.
    std::size_t outstanding() const { return calls_.size(); }

    /// Sends, now or once connected. `params` is a JSON object.
    std::shared_ptr<ServiceCall> call(std::string_view method, std::string_view params);
    /// The same, but never sent twice: it fails as `unavailable` with its connection.
    std::shared_ptr<ServiceCall> call_once(std::string_view method, std::string_view params);
    /// Nobody wants `call` any more: it is sent no more, and `method` goes out behind it.
    void take_back(const std::shared_ptr<ServiceCall>& call, std::string_view method,
                   std::string_view params);
    /// False when no answer has come by then; the request stays on its way.
    Task<bool> wait(std::shared_ptr<ServiceCall> call,
                    std::chrono::steady_clock::time_point deadline);
    /// `then` is called with the answer, at once where it is there already.
    void when_answered(const std::shared_ptr<ServiceCall>& call,
                       std::function<void(const ServiceAnswer&)> then);

private:
    Task<std::optional<std::string>> connect();
    Task<std::optional<std::string>> log_in();
    Task<std::optional<ServiceAnswer>> ask(std::string method, std::string params);
    Task<void> read();
    void take(const std::string& text);
    void take_answer(std::uint64_t id, ServiceAnswer answer);
    void finish(std::uint64_t id, ServiceAnswer answer);
    void pump();
    void send_later(std::uint64_t id);
    void lost();

    boost::asio::io_context& context_;
    const Options& options_;
    GateMetrics& metrics_;
    OnLogin on_login_;
    std::shared_ptr<ServiceWire> wire_;
    bool up_ = false;
    bool stopped_ = false;
    std::chrono::steady_clock::time_point lost_at_{};
    std::uint64_t last_id_ = 0;
    /// By id, which is the order of sending.
    std::map<std::uint64_t, std::shared_ptr<ServiceCall>> calls_;
    std::uint64_t sent_up_to_ = 0;
    std::size_t in_flight_ = 0;
    std::vector<std::uint64_t> again_;
    boost::asio::steady_timer again_timer_;
    boost::asio::steady_timer pause_;
};

/// Throws ConfigError, naming `setting`, for anything but a ws or wss URL.
ServiceAddress parse_service_address(std::string_view setting, std::string_view url);

}  // namespace millrace::api::gate
