#include "api/server.hpp"

#include "api/listen.hpp"
#include "api/metrics.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <chrono>

namespace millrace::api {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
/// Out of descriptors: others have to close first.
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::string_view kTooMany = "Too many connections are open; try again shortly.";

unsigned io_threads(const Config& config) {
    if (config.server.io_threads > 0) return config.server.io_threads;
    return std::max(1u, std::thread::hardware_concurrency());
}

tcp::endpoint endpoint_of(const Config& config) {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(config.server.host, error);
    if (!error) return {address, config.server.port};
    asio::io_context context;
    tcp::resolver resolver(context);
    return *resolver.resolve(config.server.host, std::to_string(config.server.port)).begin();
}

void log_failure(const std::exception_ptr& failure) {
    if (!failure) return;
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& error) {
        spdlog::error("a connection ended in a failure: {}", error.what());
    }
}

}  // namespace

Server::Server(const Config& config, Metrics& metrics)
    : config_(config),
      metrics_(metrics),
      connections_(config.limits.connections_max, config.limits.connections_per_address_max) {
    for (unsigned index = 0; index < io_threads(config); ++index)
        gateways_.push_back(std::make_unique<Gateway>(index, config, interest_));
}

Server::~Server() {
    stop();
    acceptor_.reset();
}

void Server::deliver(std::uint32_t gateway, std::vector<ledger::Answer> answers) {
    gateways_.at(gateway)->deliver(std::move(answers));
}

void Server::publish(std::span<const ledger::Answer> committed) {
    std::array<std::uint64_t, 4> payments{};
    for (const auto& answer : committed)
        if (const auto* payment = std::get_if<ledger::PaymentCommitted>(&answer.outcome))
            if (!payment->repeated) ++payments[static_cast<std::size_t>(payment->kind)];
    for (std::size_t kind = 0; kind < payments.size(); ++kind)
        if (payments[kind] > 0)
            metrics_.payment(static_cast<ledger::PaymentKind>(kind), payments[kind]);
    const auto events = interest_.select(committed);
    if (!events) return;
    for (auto& gateway : gateways_) gateway->publish(events);
}

void Server::publish(const ChainService::SettlementEvent& event) {
    const auto events = interest_.select(event);
    if (!events) return;
    for (auto& gateway : gateways_) gateway->publish(events);
}

void Server::start(const Services& services, Route route) {
    route_ = std::move(route);
    for (auto& gateway : gateways_) gateway->use(services);
    auto& first = gateways_.front()->context();
    acceptor_.emplace(first);
    listen(*acceptor_, endpoint_of(config_), "server.host and server.port",
           "choose another port, or end who has it");
    port_ = acceptor_->local_endpoint().port();
    asio::co_spawn(first, accept(), [](const std::exception_ptr& error) {
        if (error) std::rethrow_exception(error);
    });
    for (auto& gateway : gateways_)
        threads_.emplace_back([&context = gateway->context()] {
            const auto guard = asio::make_work_guard(context);
            context.run();
        });
}

Task<void> Server::accept() {
    std::size_t next = 0;
    asio::steady_timer pause(acceptor_->get_executor());
    while (!draining_) {
        auto& gateway = *gateways_[next++ % gateways_.size()];
        auto [error, socket] = co_await acceptor_->async_accept(gateway.context(), kTuple);
        if (error == asio::error::operation_aborted || draining_) co_return;
        if (!error) {
            open(gateway, std::move(socket));
            continue;
        }
        spdlog::warn("no connection can be accepted: {}", error.message());
        pause.expires_after(kAcceptPause);
        co_await pause.async_wait(kTuple);
    }
}

void Server::open(Gateway& gateway, tcp::socket socket) {
    boost::system::error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (error) return;
    auto ticket = connections_.admit(remote.address());
    if (!ticket) {
        metrics_.connections_refused.Increment();
        refuse(socket);
        return;
    }
    socket.set_option(tcp::no_delay(true), error);
    metrics_.connections_accepted.Increment();
    metrics_.connections.Increment();
    // The gauge goes down with the ticket, whoever holds it last.
    Ticket counted(ticket.get(), [ticket, this](void*) { metrics_.connections.Decrement(); });
    asio::co_spawn(gateway.context(),
                   serve_connection(gateway, route_, std::move(socket), std::move(counted)),
                   log_failure);
}

void Server::refuse(tcp::socket& socket) {
    boost::system::error_code ignored;
    const auto body = problem(503, "overloaded", kTooMany).body;
    const auto text = fmt::format(
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
        "Content-Type: application/problem+json\r\n"
        "Content-Length: {}\r\n\r\n{}",
        body.size(), body);
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(text), ignored);
    socket.close(ignored);
}

void Server::drain() {
    if (threads_.empty() || draining_.exchange(true)) return;
    asio::post(acceptor_->get_executor(), [this] {
        boost::system::error_code ignored;
        acceptor_->close(ignored);
    });
    for (auto& gateway : gateways_) gateway->drain();
    if (!connections_.wait_until_none(config_.server.drain_timeout))
        spdlog::warn("{} connections are cut off after {} ms", connections_.count(),
                     config_.server.drain_timeout.count());
}

void Server::stop() {
    for (auto& gateway : gateways_) gateway->context().stop();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
}

}  // namespace millrace::api
