#pragma once

#include "channel/bytes.hpp"
#include "ledger/chain/fees.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace support {

/// How a node misbehaves, in percent of its requests unless said otherwise.
struct Faults {
    /// The connection is closed, and nothing reaches the chain.
    unsigned drops = 0;
    /// The answer comes some milliseconds late.
    unsigned delays = 0;
    /// The request reaches the chain twice.
    unsigned duplicates = 0;
    /// The request reaches the chain, and the connection is closed without an answer, or the answer
    /// is an error.
    unsigned lost_answers = 0;
    unsigned errors_after = 0;
    /// Of transactions: taken with a hash, and never heard of again.
    unsigned swallows = 0;
    /// Answered as of so many blocks ago, as by a node behind a load balancer.
    unsigned stale = 0;
    std::uint64_t blocks_behind = 0;
    /// Of receipts: none of one that there is, one of a transaction that there is not, or another
    /// outcome in another block.
    unsigned lies = 0;
    /// Of calls and estimates: said to be refused by the contract.
    unsigned denials = 0;
    /// Of questions for logs: answered with an error.
    unsigned no_logs = 0;
    /// Estimates but the first wait until a transaction has reached the chain, and are then said to
    /// be refused by the contract.
    bool refuses_later_estimates = false;
};

/// What the nodes of one chain hold of a sender's transactions: a replacement needs at least 10 %
/// more in both fee fields, as on public networks.
class Mempool {
public:
    struct Attempt {
        std::uint64_t nonce = 0;
        millrace::ledger::chain::Fees fees;
        std::string raw;
    };

    /// False for a replacement that is underpriced. The transaction is type 2 and of one sender.
    bool offer(const std::string& raw);
    /// Every transaction that was offered, once, in the order of first sight.
    std::vector<Attempt> attempts() const;

private:
    mutable std::mutex mutex_;
    std::vector<Attempt> attempts_;
    std::map<std::uint64_t, Attempt> held_;
};

/// A node's RPC endpoint in front of a chain, as a real HTTP server with faults. What it does is
/// drawn from its seed. Ends with the test.
class RpcProxy {
public:
    RpcProxy(std::uint16_t chain_port, std::shared_ptr<Mempool> mempool, std::uint64_t seed);
    ~RpcProxy();

    std::string url() const;
    void set(const Faults& faults);
    /// How often it was asked this, about what the first parameter says.
    unsigned asked(const std::string& method, const std::string& about) const;

private:
    class Server;
    std::unique_ptr<Server> server_;
};

}  // namespace support
