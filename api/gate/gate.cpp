#include "api/gate/gate.hpp"

#include "api/auth/delegation_file.hpp"
#include "api/auth/random.hpp"
#include "api/chain/key_file.hpp"
#include "api/connections.hpp"
#include "api/ending.hpp"
#include "api/gate/handler.hpp"
#include "api/gate/relay.hpp"
#include "api/gate/worker.hpp"
#include "api/keys/secret_file.hpp"
#include "api/listen.hpp"
#include "channel/hex.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace millrace::api::gate {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::steady_clock;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::milliseconds kSweepPause{500};
constexpr std::chrono::milliseconds kLook{20};
/// Whether the model server can be reached again.
constexpr std::chrono::seconds kUpstreamLook{2};
/// What was charged at the last moment is given so long to be answered.
constexpr std::chrono::milliseconds kLastAnswers{3000};
constexpr std::size_t kBootBytes = 6;

std::string boot_id() {
    std::array<std::uint8_t, kBootBytes> bytes{};
    fill_random(bytes);
    return channel::to_hex(channel::BytesView(bytes)).substr(2);
}

std::string first_line(const std::string& path, std::string text) {
    text.erase(std::min(text.find_first_of("\r\n"), text.size()));
    if (text.empty()) throw ConfigError(path + " is empty");
    return text;
}

ServiceLink::Options link_options(const GateConfig& config) {
    ServiceLink::Options options{
        parse_service_address("gate.service (--service)", config.service_url),
        read_key_file("gate.key_file (--key-file)", config.key_file, config.password_file),
        {}};
    if (!config.delegation_file.empty())
        options.delegation = boost::json::serialize(read_delegation_file(
            "gate.delegation_file (--delegation-file)", config.delegation_file));
    return options;
}

std::string counted(std::size_t count, std::string_view one) {
    return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

void log_failure(const std::exception_ptr& failure) {
    if (!failure) return;
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& error) {
        spdlog::error("a connection failed: {}", error.what());
    }
}

void rethrow(const std::exception_ptr& failure) {
    if (failure) std::rethrow_exception(failure);
}

/// The threads of a gate, and the door to them.
class Gate {
public:
    explicit Gate(const GateConfig& config)
        : shared_(config),
          link_options_(link_options(config)),
          upstream_(parse_upstream("gate.upstream (--upstream)", config.upstream_url)),
          connections_(config.connections_max, config.connections_per_address_max) {
        shared_.inference_prefix = config.name + ':' + boot_id() + ':';
        if (!config.upstream_key_file.empty())
            shared_.upstream_authorization =
                "Bearer " +
                first_line(config.upstream_key_file,
                           read_secret_file("gate.upstream_key_file", config.upstream_key_file));
        const auto cores = std::max(1u, std::thread::hardware_concurrency());
        const auto threads = config.io_threads > 0 ? config.io_threads : cores;
        for (unsigned n = 0; n < threads; ++n)
            workers_.push_back(std::make_unique<Worker>(shared_, link_options_, upstream_));
        shared_.workers = workers_.size();
        for (auto& worker : workers_)
            handlers_.emplace_back(
                [one = worker.get()](Exchange& exchange) { return handle(*one, exchange); });
    }

    ~Gate() {
        for (auto& worker : workers_) worker->context.stop();
        for (auto& thread : threads_) thread.join();
        acceptor_.reset();
    }

    void start() {
        auto& first = *workers_.front();
        acceptor_.emplace(first.context);
        const auto& config = shared_.config;
        listen(*acceptor_, {asio::ip::make_address(config.host), config.port}, "gate.listen",
               "choose another with --listen");
        spdlog::info("the gate sells {} at {}, with {}; the payment service is {}",
                     config.upstream_url, counted(config.prices.rules.size(), "price"),
                     counted(config.prices.free.size(), "free path"), config.service_url);
        asio::co_spawn(first.context, accept(), rethrow);
        asio::co_spawn(first.context, sweep(), rethrow);
        asio::co_spawn(first.context, watch_upstream(), log_failure);
        for (auto& worker : workers_) {
            asio::co_spawn(worker->context, worker->link.run(), rethrow);
            threads_.emplace_back([&context = worker->context] {
                const auto guard = asio::make_work_guard(context);
                context.run();
            });
        }
        const auto at = acceptor_->local_endpoint();
        spdlog::info("the gate listens on http://{}:{}", at.address().to_string(), at.port());
    }

    /// Takes nothing new, ends what is at work, and sees the last charges through. False when
    /// there is work still that does not end.
    bool drain() {
        shared_.connections.draining = true;
        asio::post(acceptor_->get_executor(), [this] {
            boost::system::error_code ignored;
            acceptor_->close(ignored);
        });
        for (auto& worker : workers_)
            asio::post(worker->context, [one = worker.get()] {
                boost::system::error_code ignored;
                for (auto* socket : one->idle) socket->close(ignored);
            });
        if (!connections_.wait_until_none(shared_.config.drain_timeout)) {
            spdlog::warn("{} connections are cut off after {} ms", connections_.count(),
                         shared_.config.drain_timeout.count());
            for (auto& worker : workers_)
                asio::post(worker->context, [one = worker.get()] { one->upstream.cancel_all(); });
            if (!connections_.wait_until_none(kLastAnswers)) return false;
        }
        const auto deadline = steady_clock::now() + kLastAnswers;
        while (shared_.metrics.outstanding.Value() > 0 && steady_clock::now() < deadline)
            std::this_thread::sleep_for(kLook);
        return true;
    }

private:
    Task<void> accept() {
        asio::steady_timer pause(acceptor_->get_executor());
        for (std::size_t next = 0; !shared_.connections.draining; ++next) {
            const auto at = next % workers_.size();
            auto& worker = *workers_[at];
            auto [error, socket] = co_await acceptor_->async_accept(worker.context, kTuple);
            if (error == asio::error::operation_aborted || shared_.connections.draining) co_return;
            if (!error) {
                open(worker, handlers_[at], std::move(socket));
                continue;
            }
            spdlog::warn("no connection can be accepted: {}", error.message());
            pause.expires_after(kAcceptPause);
            co_await pause.async_wait(kTuple);
        }
    }

    void open(Worker& worker, const Handler& handler, tcp::socket socket) {
        boost::system::error_code error;
        const auto remote = socket.remote_endpoint(error);
        if (error) return;
        auto ticket = connections_.admit(remote.address());
        if (!ticket) {
            shared_.metrics.connections_refused.Increment();
            return;
        }
        socket.set_option(tcp::no_delay(true), error);
        shared_.metrics.connections.Increment();
        asio::co_spawn(
            worker.context,
            serve_connection(shared_.connections, worker.idle, handler, std::move(socket)),
            [this, ticket = std::move(ticket)](const std::exception_ptr& failure) {
                shared_.metrics.connections.Decrement();
                log_failure(failure);
            });
    }

    /// Once, as soon as the service can be asked.
    Task<void> sweep() {
        auto& worker = *workers_.front();
        asio::steady_timer pause(worker.context);
        const auto name_prefix = shared_.config.name + ':';
        while (!shared_.swept) {
            if (worker.link.is_up()) {
                const auto released = co_await worker.payments.release_left_over(
                    name_prefix, shared_.inference_prefix);
                if (released) {
                    if (*released > 0)
                        spdlog::info(
                            "released {} that an earlier run of {} left; if that one still runs, "
                            "one of the two needs another gate.name",
                            counted(*released, "payment"), shared_.config.name);
                    shared_.swept = true;
                    spdlog::info("the gate is ready");
                    co_return;
                }
            }
            pause.expires_after(worker.link.is_up() ? kSweepPause : kLook);
            co_await pause.async_wait(kTuple);
        }
    }

    /// Once at the start, and from then on while it cannot be reached: so that the log says when it
    /// can, also where nobody calls.
    Task<void> watch_upstream() {
        auto& worker = *workers_.front();
        asio::steady_timer pause(worker.context);
        do {
            co_await worker.upstream.look();
            do {
                pause.expires_after(kUpstreamLook);
                co_await pause.async_wait(kTuple);
            } while (!shared_.upstream_notices.is_unreachable());
        } while (!shared_.connections.draining);
    }

    Shared shared_;
    const ServiceLink::Options link_options_;
    const UpstreamAddress upstream_;
    Connections connections_;
    // Destroyed before what they refer to.
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<Handler> handlers_;
    std::optional<tcp::acceptor> acceptor_;
    std::vector<std::thread> threads_;
};

}  // namespace

int run_gate(const GateConfig& config) {
    check(config);
    Gate gate(config);
    Ending ending([] {});
    gate.start();
    const auto code = ending.wait();
    // Calls that do not end hold on to what would be destroyed under them.
    if (!gate.drain()) std::_Exit(code);
    return code;
}

}  // namespace millrace::api::gate
