#include "api/gateway.hpp"

#include "api/chain/chain_service.hpp"
#include "api/metrics.hpp"
#include "api/shards.hpp"
#include "api/stream/render.hpp"

#include <boost/asio/post.hpp>

#include <utility>

namespace millrace::api {

namespace asio = boost::asio;

namespace {

/// No need to wait for more readers: a shard takes so many at once with joy.
constexpr std::size_t kSubmitAtOnce = 1024;
constexpr auto kFirstPayment = static_cast<std::size_t>(stream::Method::payment_pay);

}  // namespace

Gateway::Gateway(std::uint32_t index, const Config& config, Interest& interest)
    : index_(index),
      config_(config),
      context_(1),
      parser_(config.limits),
      subscriptions_(context_.get_executor(), interest) {}

Gateway::~Gateway() = default;

void Gateway::use(const Services& services) {
    services_.emplace(services);
    clock_.emplace([&metrics = services.metrics](Stage stage, std::chrono::nanoseconds cpu) {
        metrics.worked(stage, cpu);
    });
    server_info_ = stream::server_info(services.config, services.chain.receiver_authorizer());
    subscriptions_.use(services.database, services.metrics);
}

std::shared_ptr<stream::Session> Gateway::open_session(std::shared_ptr<stream::Outbox> outbox,
                                                       std::optional<Principal> principal) {
    auto session = std::make_shared<stream::Session>(*this, next_number_++, std::move(outbox),
                                                     std::move(principal));
    sessions_.emplace(session->number(), session);
    return session;
}

void Gateway::close_session(const std::shared_ptr<stream::Session>& session) {
    session->close();
    sessions_.erase(session->number());
}

void Gateway::enqueue(ledger::PaymentRequest request) {
    collected_.emplace_back(std::move(request));
    if (collected_.size() >= kSubmitAtOnce) submit();
}

void Gateway::submit_soon() {
    if (collected_.empty() || submit_posted_) return;
    submit_posted_ = true;
    asio::post(context_, [this] {
        submit_posted_ = false;
        submit();
    });
}

void Gateway::submit() {
    if (collected_.empty()) return;
    std::vector<ledger::Request> requests;
    requests.swap(collected_);
    collected_.reserve(requests.size());
    for (const auto& refused : services_->shards.submit(std::move(requests))) {
        ledger::Answer overloaded{
            std::get<ledger::PaymentRequest>(refused).reply_to, nullptr,
            channel::Refusal{channel::Error::overloaded,
                             channel::Amount{config_.limits.shard_queue_max}}};
        answer(overloaded);
    }
}

void Gateway::deliver(std::vector<ledger::Answer> answers) {
    asio::post(context_, [this, answers = std::move(answers)]() mutable {
        enter(Stage::reply);
        for (auto& one : answers) answer(one);
        report_counts();
    });
}

void Gateway::answer(ledger::Answer& answer) {
    const auto found = sessions_.find(answer.reply_to.connection);
    if (found != sessions_.end()) found->second->answer(answer);
}

void Gateway::publish(LiveEvents events) {
    asio::post(context_, [this, events = std::move(events)] {
        enter(Stage::reply);
        subscriptions_.distribute(events);
    });
}

void Gateway::enter(Stage stage) {
    clock_->enter(stage);
}

Gateway::Writing::Writing(Gateway& gateway) : gateway_(gateway) {
    ++gateway_.writers_;
    gateway_.enter(Stage::reply);
}

Gateway::Writing::~Writing() {
    if (--gateway_.writers_ == 0) gateway_.enter(Stage::parse);
}

void Gateway::count_paid(stream::Method method) {
    ++paid_[static_cast<std::size_t>(method) - kFirstPayment];
}

void Gateway::report_counts() {
    for (std::size_t at = 0; at < paid_.size(); ++at) {
        const auto count = std::exchange(paid_[at], 0);
        if (count == 0) continue;
        const auto method = static_cast<stream::Method>(kFirstPayment + at);
        services_->metrics.request(stream::to_string(method), "ok", count);
    }
}

std::uint64_t Gateway::on_drain(std::function<void()> drain) {
    const auto number = next_number_++;
    if (draining_)
        drain();
    else
        drains_.emplace(number, std::move(drain));
    return number;
}

void Gateway::forget_drain(std::uint64_t number) {
    drains_.erase(number);
}

void Gateway::drain() {
    asio::post(context_, [this] {
        draining_ = true;
        // Each may take itself back while it is called.
        for (auto& [number, drain] : std::exchange(drains_, {})) drain();
    });
}

}  // namespace millrace::api
