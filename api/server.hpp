#pragma once

#include "api/chain/chain_service.hpp"
#include "api/connection.hpp"
#include "api/connections.hpp"
#include "api/gateway.hpp"
#include "api/services.hpp"
#include "api/subscriptions.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace millrace::api {

/// The network edge: one acceptor, and I/O threads that each have connections of their own. Made
/// first and destroyed last of all services, as they hand their answers to its threads; between
/// `stop` and its end nothing runs here any longer.
class Server {
public:
    /// `config` and `metrics` outlive it.
    Server(const Config& config, Metrics& metrics);
    ~Server();

    /// Answers of the shards, for the gateway that asked; from any thread.
    void deliver(std::uint32_t gateway, std::vector<ledger::Answer> answers);
    /// What was committed, in commit order and from whatever thread committed it.
    void publish(std::span<const ledger::Answer> committed);
    void publish(const ChainService::SettlementEvent& event);
    /// The newest seq that was committed before this process could commit.
    void begin_after(std::uint64_t seq) { interest_.begin_after(seq); }

    /// Binds, and takes connections from now on. Throws boost::system::system_error.
    void start(const Services& services, Route route);
    /// Where it listens: the port is chosen by the system when the configuration says 0.
    std::uint16_t port() const { return port_; }

    /// Takes nothing new, answers what was taken, closes streams with 1001. Returns when all
    /// connections have ended, or after server.drain_timeout.
    void drain();
    const std::atomic<bool>& draining() const { return draining_; }
    /// Ends the threads, whatever they do.
    void stop();

    std::size_t connections() const { return connections_.count(); }

private:
    Task<void> accept();
    void refuse(boost::asio::ip::tcp::socket& socket);
    void open(Gateway& gateway, boost::asio::ip::tcp::socket socket);

    const Config& config_;
    Metrics& metrics_;
    Interest interest_;
    Connections connections_;
    Route route_;
    std::atomic<bool> draining_ = false;
    std::uint16_t port_ = 0;
    // Destroyed before what their connections refer to.
    std::vector<std::unique_ptr<Gateway>> gateways_;
    std::optional<boost::asio::ip::tcp::acceptor> acceptor_;
    std::vector<std::thread> threads_;
};

}  // namespace millrace::api
