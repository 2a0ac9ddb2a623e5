#pragma once

#include "api/connection.hpp"

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

namespace millrace::api {

/// What tells one customer of the network from another, for limits: an IPv4 address, or the network
/// (/64) of an IPv6 address, as a key that is not for people.
std::string customer_of(const boost::asio::ip::address& remote);

/// Counts the open connections, in all and by customer. Safe to use from several threads; outlives
/// all tickets.
class Connections {
public:
    Connections(std::size_t most, std::size_t most_per_address)
        : most_(most), most_per_address_(most_per_address) {}

    /// Null when that would be one too many.
    Ticket admit(const boost::asio::ip::address& remote);
    std::size_t count() const;
    /// False when some are still open after `patience`.
    bool wait_until_none(std::chrono::milliseconds patience);

private:
    void leave(const std::string& key);

    const std::size_t most_;
    const std::size_t most_per_address_;
    mutable std::mutex mutex_;
    std::condition_variable left_;
    std::size_t count_ = 0;
    std::unordered_map<std::string, std::size_t> by_address_;
};

}  // namespace millrace::api
