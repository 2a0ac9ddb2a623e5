#pragma once

#include "api/gate/metrics.hpp"
#include "api/gate/notices.hpp"
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
};

/// With how many connections a request may go out. One that ends on a request may have ended
/// because of it: what strangers had a part in is tried twice and then fails as `unavailable`, what
/// only the gate has written goes out until it is answered, or no longer within reason.
enum class Sending { once, twice, until_answered };

/// A request to the service that is on its way until it is answered, over however many connections.
class ServiceCall {
public:
    const std::optional<ServiceAnswer>& answer() const { return answer_; }
    /// When that came.
    std::chrono::steady_clock::time_point answered_at() const { return answered_at_; }

private:
    friend class ServiceLink;
    ServiceCall(boost::asio::io_context& context, std::uint64_t id, std::string frame,
                Sending sending)
        : id_(id), frame_(std::move(frame)), sending_(sending), answered_(context) {}

    /// It was with the service when a connection ended, and may be the reason.
    bool is_suspect() const { return sending_ == Sending::twice && ended_connections_ > 0; }

    std::uint64_t id_;
    std::string frame_;
    Sending sending_;
    /// On any connection.
    bool is_sent_ = false;
    /// On this one, and not answered.
    bool is_in_flight_ = false;
    unsigned ended_connections_ = 0;
    std::optional<ServiceAnswer> answer_;
    std::chrono::steady_clock::time_point answered_at_{};
    std::vector<std::function<void(const ServiceAnswer&)>> then_;
    boost::asio::steady_timer answered_;
};

/// Keeps connected and logged in to a service's payment stream (JSON-RPC 2.0 over WebSocket), on
/// one thread. What is unanswered when a connection ends is sent again, in the same order, on the
/// next one, as far as its `Sending` goes, and what the service was too busy for a moment later.
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
                ServiceNotices& notices, OnLogin on_login);

    /// For good; run it once.
    Task<void> run();

    bool is_up() const { return up_; }
    /// Also for a moment after a connection has ended: what is sent then waits for the next one.
    bool is_usable() const;
    /// Requests without an answer.
    std::size_t outstanding() const { return calls_.size(); }

    /// Sends, now or once connected. `params` is a JSON object. What the service would take for no
    /// frame (too long, not UTF-8) is not sent, but fails as `invalid_params`.
    std::shared_ptr<ServiceCall> call(std::string_view method, std::string_view params,
                                      Sending sending);
    /// Nobody waits for `call` any more: it is not sent again, and fails as `unavailable` with its
    /// connection, or at once when it is with none. True when the service cannot have seen it.
    bool give_up(const std::shared_ptr<ServiceCall>& call);
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
    void take_unaddressed(ServiceAnswer answer);
    void finish(std::uint64_t id, ServiceAnswer answer);
    void pump();
    void send(ServiceCall& call);
    void send_alone(ServiceCall& call);
    void no_longer_in_flight(ServiceCall& call);
    void send_later(std::uint64_t id);
    void lost();

    boost::asio::io_context& context_;
    const Options& options_;
    GateMetrics& metrics_;
    ServiceNotices& notices_;
    OnLogin on_login_;
    std::shared_ptr<ServiceWire> wire_;
    bool up_ = false;
    std::chrono::steady_clock::time_point lost_at_{};
    std::uint64_t last_id_ = 0;
    /// By id, which is the order of sending.
    std::map<std::uint64_t, std::shared_ptr<ServiceCall>> calls_;
    std::uint64_t sent_up_to_ = 0;
    std::size_t in_flight_ = 0;
    /// The suspect that is sent while nothing else is; 0: none.
    std::uint64_t alone_ = 0;
    boost::asio::steady_timer alone_timer_;
    std::size_t frame_bytes_max_;
    std::vector<std::uint64_t> again_;
    boost::asio::steady_timer again_timer_;
    boost::asio::steady_timer pause_;
};

/// Throws ConfigError, naming `setting`, for anything but a ws or wss URL.
ServiceAddress parse_service_address(std::string_view setting, std::string_view url);

}  // namespace millrace::api::gate
