#include "api/gate/service_link.hpp"

#include "api/cli/commands.hpp"
#include "api/cli/service_client.hpp"
#include "api/config.hpp"
#include "api/gate/json_text.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"

#include <fmt/format.h>
#include <simdjson.h>
#include <spdlog/spdlog.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <boost/url.hpp>

#include <algorithm>
#include <array>

namespace millrace::api::gate {

namespace asio = boost::asio;
namespace json = boost::json;
using std::chrono::steady_clock;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
/// Below what a service takes of one connection by default.
constexpr std::size_t kInFlightMax = 512;
constexpr std::chrono::milliseconds kAgainAfter{200};
/// A service that was started anew is back by then.
constexpr std::chrono::seconds kUsableFor{5};
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kPauseMax{2000};
/// Until the service says its own.
constexpr std::size_t kFrameBytesMax = 64 * 1024;
/// A request that ends its connection does so at once.
constexpr std::chrono::milliseconds kAloneFor{250};
/// With the pauses between, some minutes.
constexpr unsigned kConnectionsMax = 100;
constexpr std::array<std::string_view, 4> kPassing{"unavailable", "overloaded", "rate_limited",
                                                   "too_many_in_flight"};

ServiceAnswer unavailable(std::string message) {
    ServiceAnswer answer;
    answer.failed = true;
    answer.reason = "unavailable";
    answer.message = std::move(message);
    return answer;
}

ServiceAnswer answer_of(json::object& message) {
    ServiceAnswer answer;
    if (auto* result = message.if_contains("result"); result && result->is_object()) {
        answer.result = std::move(result->as_object());
        return answer;
    }
    answer.failed = true;
    const auto* error = message.if_contains("error");
    if (!error || !error->is_object()) return answer;
    answer.message = text_in(error->as_object(), "message");
    const auto* data = error->as_object().if_contains("data");
    if (!data || !data->is_object()) return answer;
    answer.reason = text_in(data->as_object(), "reason");
    return answer;
}

std::string request(std::uint64_t id, std::string_view method, std::string_view params) {
    return fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{}}})", id, method,
                       params);
}

unsigned connections_max(Sending sending) {
    switch (sending) {
        case Sending::once:
            return 1;
        case Sending::twice:
            return 2;
        case Sending::until_answered:
            return kConnectionsMax;
    }
    return 1;
}

std::optional<ServiceAnswer> unsendable(const std::string& frame, std::size_t bytes_max) {
    ServiceAnswer answer;
    answer.failed = true;
    answer.reason = "invalid_params";
    if (frame.size() > bytes_max)
        answer.message = fmt::format("longer than the service takes ({} bytes)", bytes_max);
    else if (!simdjson::validate_utf8(frame))
        answer.message = "not UTF-8";
    else
        return std::nullopt;
    return answer;
}

std::size_t frame_bytes_max(const json::object& server_info) {
    boost::system::error_code error;
    const auto* limit = json::value(server_info).find_pointer("/limits/frameBytesMax", error);
    return limit && limit->is_int64() ? static_cast<std::size_t>(limit->as_int64())
                                      : kFrameBytesMax;
}

std::string refusal(std::string_view method, const ServiceAnswer& answer) {
    return fmt::format("{} was refused: {} {}", method, answer.reason, answer.message);
}

}  // namespace

ServiceLink::ServiceLink(asio::io_context& context, const Options& options, GateMetrics& metrics,
                         ServiceNotices& notices, OnLogin on_login)
    : context_(context),
      options_(options),
      metrics_(metrics),
      notices_(notices),
      on_login_(std::move(on_login)),
      alone_timer_(context),
      frame_bytes_max_(kFrameBytesMax),
      again_timer_(context),
      pause_(context) {}

Task<void> ServiceLink::run() {
    auto pause = kFirstPause;
    for (;;) {
        wire_ = ServiceWire::make(context_, options_.address.tls);
        const auto why = co_await connect();
        if (why) {
            notices_.lost(*this, fmt::format("no payment stream at {}: {}",
                                             options_.address.authority, *why));
        } else {
            pause = kFirstPause;
            up_ = true;
            metrics_.service_up.Increment();
            notices_.up(*this);
            pump();
            co_await read();
            notices_.lost(*this, "the payment stream has ended; connecting again");
        }
        lost();
        pause_.expires_after(pause);
        co_await pause_.async_wait(kTuple);
        pause = std::min(pause * 2, kPauseMax);
    }
}

bool ServiceLink::is_usable() const {
    return up_ || steady_clock::now() < lost_at_ + kUsableFor;
}

Task<std::optional<std::string>> ServiceLink::connect() {
    auto why = co_await wire_->open(options_.address, options_.connect_timeout);
    if (!why) {
        // A service that takes the connection and says nothing would hold the login forever.
        asio::steady_timer patience(context_, options_.connect_timeout);
        patience.async_wait([wire = wire_](boost::system::error_code cancelled) {
            if (!cancelled) wire->close();
        });
        why = co_await log_in();
    }
    co_return why;
}

Task<std::optional<std::string>> ServiceLink::log_in() {
    const auto address = options_.key.address();
    const auto challenge = co_await ask(
        "auth.challenge", fmt::format(R"({{"address":"{}"}})", channel::to_hex(address)));
    if (!challenge) co_return "it ended before the login";
    if (challenge->failed) co_return refusal("auth.challenge", *challenge);
    const auto message = text_in(challenge->result, "message");
    try {
        check_login_message(message, options_.address.authority, channel::to_checksum(address));
    } catch (const CommandError& error) {
        co_return error.what();
    }
    const auto signature = options_.key.sign(channel::personal_message_digest(message));
    std::string params = R"({"message":)" + json::serialize(json::string(message)) +
                         R"(,"signature":")" + channel::to_hex(signature) + '"';
    if (!options_.delegation.empty()) params += R"(,"delegation":)" + options_.delegation;
    params += '}';
    const auto session = co_await ask("auth.login", std::move(params));
    if (!session) co_return "it ended before the login";
    if (session->failed) co_return refusal("auth.login", *session);
    const auto info = co_await ask("server.info", "{}");
    if (!info) co_return "it ended before the login";
    if (info->failed) co_return refusal("server.info", *info);
    const auto as = channel::parse_address(text_in(session->result, "address"));
    if (!as) co_return "the login names no address";
    frame_bytes_max_ = frame_bytes_max(info->result);
    const Login login{*as, info->result};
    co_return on_login_(login);
}

/// One request and its answer, before anybody else may send.
Task<std::optional<ServiceAnswer>> ServiceLink::ask(std::string method, std::string params) {
    wire_->write(request(0, method, params));
    const auto text = co_await wire_->read();
    if (!text) co_return std::nullopt;
    boost::system::error_code error;
    auto parsed = json::parse(*text, error);
    if (error || !parsed.is_object()) co_return std::nullopt;
    co_return answer_of(parsed.as_object());
}

Task<void> ServiceLink::read() {
    for (;;) {
        const auto text = co_await wire_->read();
        if (!text) co_return;
        take(*text);
    }
}

void ServiceLink::take(const std::string& text) {
    boost::system::error_code error;
    auto parsed = json::parse(text, error);
    if (error || !parsed.is_object()) return;
    auto& message = parsed.as_object();
    const auto* id = message.if_contains("id");
    if (id && id->is_int64())
        take_answer(static_cast<std::uint64_t>(id->as_int64()), answer_of(message));
    else if (message.contains("error"))
        take_unaddressed(answer_of(message));
}

/// An error about a request that the service could not read so far as to say which. Where it is not
/// clear which, the next connection shows it.
void ServiceLink::take_unaddressed(ServiceAnswer answer) {
    spdlog::error("the payment service does not understand a request: {} {}", answer.reason,
                  answer.message);
    std::vector<std::uint64_t> candidates;
    for (const auto& [id, call] : calls_)
        if (call->is_in_flight_) candidates.push_back(id);
    if (candidates.size() == 1)
        take_answer(candidates.front(), std::move(answer));
    else if (!candidates.empty())
        wire_->close();
}

void ServiceLink::take_answer(std::uint64_t id, ServiceAnswer answer) {
    const auto found = calls_.find(id);
    if (found == calls_.end() || !found->second->is_in_flight_) return;
    auto& call = *found->second;
    const bool passing = answer.failed && std::find(kPassing.begin(), kPassing.end(),
                                                    answer.reason) != kPassing.end();
    if (answer.failed && answer.reason == "unauthenticated") {
        // The session has ended. All that is unanswered goes out again after the next login.
        call.is_in_flight_ = false;
        --in_flight_;
        wire_->close();
        return;
    }
    no_longer_in_flight(call);
    if (passing && call.sending_ != Sending::once)
        send_later(id);
    else
        finish(id, std::move(answer));
    pump();
}

void ServiceLink::no_longer_in_flight(ServiceCall& call) {
    if (!call.is_in_flight_) return;
    call.is_in_flight_ = false;
    --in_flight_;
    if (alone_ != call.id_) return;
    alone_ = 0;
    alone_timer_.cancel();
}

void ServiceLink::finish(std::uint64_t id, ServiceAnswer answer) {
    const auto found = calls_.find(id);
    const auto call = found->second;
    calls_.erase(found);
    metrics_.outstanding.Decrement();
    call->answer_ = std::move(answer);
    call->answered_at_ = std::chrono::steady_clock::now();
    call->answered_.cancel();
    for (const auto& then : std::exchange(call->then_, {})) then(*call->answer_);
}

void ServiceLink::send_later(std::uint64_t id) {
    again_.push_back(id);
    if (again_.size() > 1) return;
    again_timer_.expires_after(kAgainAfter);
    again_timer_.async_wait([this](boost::system::error_code cancelled) {
        if (cancelled) return;
        const auto waiting = std::exchange(again_, {});
        for (const auto one : waiting) {
            const auto found = calls_.find(one);
            // Without a connection it goes out with all others on the next one.
            if (up_ && found != calls_.end()) send(*found->second);
        }
    });
}

void ServiceLink::pump() {
    if (!up_) return;
    for (auto next = calls_.upper_bound(sent_up_to_);
         next != calls_.end() && in_flight_ < kInFlightMax && alone_ == 0; ++next) {
        auto& call = *next->second;
        if (!call.is_suspect()) {
            send(call);
        } else if (in_flight_ == 0) {
            send_alone(call);
        } else {
            break;
        }
        sent_up_to_ = next->first;
    }
}

void ServiceLink::send(ServiceCall& call) {
    call.is_sent_ = true;
    call.is_in_flight_ = true;
    ++in_flight_;
    wire_->write(call.frame_);
}

/// So that no other request is taken for the reason if the connection ends again.
void ServiceLink::send_alone(ServiceCall& call) {
    alone_ = call.id_;
    alone_timer_.expires_after(kAloneFor);
    alone_timer_.async_wait([this](boost::system::error_code cancelled) {
        if (cancelled) return;
        alone_ = 0;
        pump();
    });
    send(call);
}

/// The connection has ended: what is unanswered is to be sent again, or has failed.
void ServiceLink::lost() {
    if (up_) {
        metrics_.service_up.Decrement();
        lost_at_ = steady_clock::now();
    }
    up_ = false;
    wire_->close();
    sent_up_to_ = 0;
    in_flight_ = 0;
    alone_ = 0;
    alone_timer_.cancel();
    again_.clear();
    again_timer_.cancel();
    std::vector<std::uint64_t> failed;
    for (const auto& [id, call] : calls_) {
        if (!std::exchange(call->is_in_flight_, false)) continue;
        if (++call->ended_connections_ >= connections_max(call->sending_)) failed.push_back(id);
    }
    for (const auto id : failed)
        finish(id, unavailable("The connection to the payment service ended before its answer."));
}

std::shared_ptr<ServiceCall> ServiceLink::call(std::string_view method, std::string_view params,
                                               Sending sending) {
    const auto id = ++last_id_;
    const std::shared_ptr<ServiceCall> made(
        new ServiceCall(context_, id, request(id, method, params), sending));
    made->answer_ = unsendable(made->frame_, frame_bytes_max_);
    if (made->answer_) {
        made->answered_at_ = std::chrono::steady_clock::now();
        spdlog::warn("a {} is not sent: {}", method, made->answer_->message);
        return made;
    }
    made->answered_.expires_at(steady_clock::time_point::max());
    calls_.emplace(id, made);
    metrics_.outstanding.Increment();
    pump();
    return made;
}

bool ServiceLink::give_up(const std::shared_ptr<ServiceCall>& call) {
    if (call->answer_) return !call->is_sent_;
    call->sending_ = Sending::once;
    if (!call->is_in_flight_) {
        std::erase(again_, call->id_);
        finish(call->id_, unavailable("The payment service did not answer in time."));
    }
    return !call->is_sent_;
}

Task<bool> ServiceLink::wait(std::shared_ptr<ServiceCall> call, steady_clock::time_point deadline) {
    while (!call->answer_ && steady_clock::now() < deadline) {
        call->answered_.expires_at(deadline);
        co_await call->answered_.async_wait(kTuple);
    }
    co_return call->answer_.has_value();
}

void ServiceLink::when_answered(const std::shared_ptr<ServiceCall>& call,
                                std::function<void(const ServiceAnswer&)> then) {
    if (call->answer_) return then(*call->answer_);
    call->then_.push_back(std::move(then));
}

ServiceAddress parse_service_address(std::string_view setting, std::string_view url) {
    const auto parsed = boost::urls::parse_uri(url);
    const auto wrong = [&] {
        return ConfigError(fmt::format(
            "{}: has to be the URL of a payment stream, such as ws://127.0.0.1:8402/v1/stream, or "
            "wss://…",
            setting));
    };
    if (!parsed || (parsed->scheme() != "ws" && parsed->scheme() != "wss")) throw wrong();
    if (parsed->host().empty() || parsed->has_userinfo() || parsed->has_query()) throw wrong();
    ServiceAddress address;
    address.tls = parsed->scheme() == "wss";
    address.host = parsed->host_address();
    address.port = parsed->has_port() ? std::string(parsed->port()) : address.tls ? "443" : "80";
    address.authority = parsed->encoded_host_and_port();
    address.target = parsed->encoded_path();
    if (address.target.empty() || address.target == "/") address.target = "/v1/stream";
    return address;
}

}  // namespace millrace::api::gate
