#pragma once

#include "api/auth/challenges.hpp"
#include "api/auth/tokens.hpp"
#include "api/metrics.hpp"
#include "api/rest/routes.hpp"
#include "tests/api/chain_stack.hpp"

#include <boost/json/value.hpp>

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>

namespace support {

/// What a caller sends beside method and path.
struct Ask {
    std::map<std::string, std::string> query{};
    std::string bearer{};
    std::string body{};
};

struct RestAnswer {
    api::HttpResponse response;
    boost::json::value body;

    unsigned status() const { return response.status; }
    /// The member at this JSON pointer as text; empty when there is none.
    std::string text(const std::string& pointer) const;
    std::string header(const std::string& name) const;
};

/// The routes, called as functions, on a real chain, database and shards. Every answer is held
/// against the OpenAPI description.
class RestStack {
public:
    static constexpr const char* kAuditor = "auditor-token";
    static constexpr const char* kOperator = "operator-token";
    static constexpr unsigned kPayer = 1;
    static constexpr unsigned kProvider = 2;
    static constexpr unsigned kStranger = 3;

    /// `exports_last`: so long one export may take. `change` may change the configuration.
    explicit RestStack(bool metrics_public = true,
                       std::chrono::milliseconds exports_last = api::rest::Exports::kLongest,
                       const ChainStack::Change& change = {});

    RestAnswer get(const std::string& path, const Ask& ask = {});
    RestAnswer post(const std::string& path, const Ask& ask = {});
    RestAnswer request(const std::string& method, const std::string& path, const Ask& ask);

    /// From now on the routes ask a database that is not there.
    void lose_database() { lost_ = true; }
    api::rest::Exports& exports() { return context_.exports; }
    /// A bearer token of an account of the chain.
    std::string token(unsigned account) const;
    /// The same of a delegate that acts for the account.
    std::string delegate_token(unsigned account, unsigned delegate) const;
    /// A channel from kPayer to kProvider with this balance.
    channel::ChannelConfig open(std::uint64_t balance, std::uint64_t salt = 0);
    /// Pays `times` times one unit; each voucher covers one more.
    void pay(const channel::ChannelConfig& config, std::uint64_t times);

    ChainStack chain;
    std::atomic<bool> draining = false;
    api::Metrics metrics;

private:
    std::string token(const api::SessionOwner& owner) const;

    api::Tokens tokens_;
    api::Challenges challenges_;
    api::RestContext context_;
    api::Database nowhere_{"postgresql:///x?host=/nowhere", 1};
    api::RestContext without_database_;
    bool lost_ = false;
    const std::thread::id owner_ = std::this_thread::get_id();
};

}  // namespace support
