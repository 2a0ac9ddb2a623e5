#include "api/gate/service_link.hpp"

#include "api/cli/commands.hpp"
#include "api/cli/service_client.hpp"
#include "api/config.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"

#include <fmt/format.h>
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
constexpr std::array<std::string_view, 4> kPassing{"unavailable", "overloaded", "rate_limited",
                                                   "too_many_in_flight"};

std::string text_in(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (!value || !value->is_string()) return {};
    return std::string(value->as_string());
}

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
    answer.field = text_in(data->as_object(), "field");
    answer.limit = text_in(data->as_object(), "limit");
    return answer;
}

std::string request(std::uint64_t id, std::string_view method, std::string_view params) {
    return fmt::format(R"({{"jsonrpc":"2.0","id":{},"method":"{}","params":{}}})", id, method,
                       params);
}

std::string refusal(std::string_view method, const ServiceAnswer& answer) {
    return fmt::format("{} was refused: {} {}", method, answer.reason, answer.message);
}

}  // namespace

ServiceLink::ServiceLink(asio::io_context& context, const Options& options, GateMetrics& metrics,
                         OnLogin on_login)
    : context_(context),
      options_(options),
      metrics_(metrics),
      on_login_(std::move(on_login)),
      again_timer_(context),
      pause_(context) {}

Task<void> ServiceLink::run() {
    auto pause = kFirstPause;
    std::string told;
    while (!stopped_) {
        wire_ = ServiceWire::make(context_, options_.address.tls);
        const auto why = co_await connect();
        if (why) {
            // The same again and again would fill the log.
            if (*why != told)
                spdlog::warn("no payment stream at {}: {}", options_.address.authority, *why);
            told = *why;
        } else {
            told.clear();
            pause = kFirstPause;
            up_ = true;
            metrics_.service_up.Increment();
            pump();
            co_await read();
            if (!stopped_) spdlog::warn("the payment stream has ended; connecting again");
        }
        lost();
        if (stopped_) break;
        pause_.expires_after(pause);
        co_await pause_.async_wait(kTuple);
        pause = std::min(pause * 2, kPauseMax);
    }
}

void ServiceLink::stop() {
    stopped_ = true;
    pause_.cancel();
    again_timer_.cancel();
    if (wire_) wire_->close();
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
    const auto* id = !error && parsed.is_object() ? parsed.as_object().if_contains("id") : nullptr;
    if (!id || !id->is_int64()) return;
    const auto number = static_cast<std::uint64_t>(id->as_int64());
    take_answer(number, answer_of(parsed.as_object()));
}

void ServiceLink::take_answer(std::uint64_t id, ServiceAnswer answer) {
    const auto found = calls_.find(id);
    if (found == calls_.end()) return;
    --in_flight_;
    const bool passing = answer.failed && std::find(kPassing.begin(), kPassing.end(),
                                                    answer.reason) != kPassing.end();
    if (answer.failed && answer.reason == "unauthenticated") {
        // The session has ended. All that is unanswered goes out again after the next login.
        wire_->close();
    } else if (passing && found->second->is_repeatable_) {
        send_later(id);
    } else {
        finish(id, std::move(answer));
    }
    pump();
}

void ServiceLink::finish(std::uint64_t id, ServiceAnswer answer) {
    const auto found = calls_.find(id);
    const auto call = found->second;
    calls_.erase(found);
    metrics_.outstanding.Decrement();
    call->answer_ = std::move(answer);
    call->answered_.cancel();
    if (call->then_) call->then_(*call->answer_);
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
            if (!up_ || found == calls_.end()) continue;
            ++in_flight_;
            wire_->write(found->second->frame_);
        }
    });
}

void ServiceLink::pump() {
    if (!up_) return;
    for (auto next = calls_.upper_bound(sent_up_to_);
         next != calls_.end() && in_flight_ < kInFlightMax; ++next) {
        sent_up_to_ = next->first;
        next->second->is_sent_ = true;
        ++in_flight_;
        wire_->write(next->second->frame_);
    }
}

/// The connection has ended: all that is unanswered is to be sent again.
void ServiceLink::lost() {
    if (up_) {
        metrics_.service_up.Decrement();
        lost_at_ = steady_clock::now();
    }
    up_ = false;
    wire_->close();
    sent_up_to_ = 0;
    in_flight_ = 0;
    again_.clear();
    again_timer_.cancel();
    std::vector<std::uint64_t> unrepeatable;
    for (const auto& [id, call] : calls_)
        if (!call->is_repeatable_ && call->is_sent_) unrepeatable.push_back(id);
    for (const auto id : unrepeatable)
        finish(id, unavailable("The connection to the payment service ended before its answer."));
}

std::shared_ptr<ServiceCall> ServiceLink::call(std::string_view method, std::string_view params) {
    const auto id = ++last_id_;
    const std::shared_ptr<ServiceCall> made(
        new ServiceCall(context_, id, request(id, method, params)));
    made->answered_.expires_at(steady_clock::time_point::max());
    calls_.emplace(id, made);
    metrics_.outstanding.Increment();
    pump();
    return made;
}

std::shared_ptr<ServiceCall> ServiceLink::call_once(std::string_view method,
                                                    std::string_view params) {
    auto made = call(method, params);
    made->is_repeatable_ = false;
    return made;
}

void ServiceLink::take_back(const std::shared_ptr<ServiceCall>& taken_back, std::string_view method,
                            std::string_view params) {
    if (!taken_back->answer_) {
        const bool waits_here = std::erase(again_, taken_back->id_) > 0;
        if (up_ && !waits_here && taken_back->id_ <= sent_up_to_) --in_flight_;
        calls_.erase(taken_back->id_);
        metrics_.outstanding.Decrement();
    }
    call(method, params);
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
    call->then_ = std::move(then);
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
