#pragma once

#include "api/chain/turns.hpp"
#include "api/task.hpp"
#include "ledger/chain/json_rpc.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::api {

struct RpcSettings {
    /// http://host[:port][/path], tried in turn. TLS is left to a proxy beside this service or to
    /// the node's network.
    std::vector<std::string> urls;
    /// For one attempt at one URL.
    std::chrono::milliseconds timeout{10'000};
    /// How often all URLs are tried.
    unsigned rounds = 3;
    std::size_t response_bytes_max = 32 * 1024 * 1024;
    std::size_t connections_max = 16;
};

/// JSON-RPC over HTTP/1.1 with kept-alive connections. Every call made here is safe to repeat (a
/// signed transaction counts once however often it is sent), so calls are repeated at the next URL
/// on any failure that is not the node's own answer. Used on one thread.
class RpcClient {
public:
    /// Throws std::invalid_argument for a URL that is not as described.
    RpcClient(boost::asio::any_io_executor executor, RpcSettings settings);
    ~RpcClient();

    template <class T>
    using Reader = ledger::chain::RpcResult<T> (*)(std::string_view text, std::uint64_t id);

    /// Makes the call and reads the answer.
    template <class T>
    Task<ledger::chain::RpcResult<T>> call(ledger::chain::RpcCall call, Reader<T> reader) {
        const auto id = ++last_id_;
        const auto body = ledger::chain::to_json(call, id);
        auto turn = co_await places_.take();
        ledger::chain::RpcResult<T> result = closed_failure();
        for (unsigned attempt = 0; attempt < attempts() && !closed_; ++attempt) {
            co_await pause_before(attempt);
            const auto text = co_await post(attempt, body);
            if (!text) {
                result = text.error();
                continue;
            }
            result = reader(*text, id);
            if (result || is_final(result.error())) break;
        }
        co_return result;
    }

    /// Ends all calls, and refuses later ones.
    void close();

    /// Host and port of the first URL: what may stand in logs, because paths can hold keys.
    std::string name() const;

private:
    struct Url;
    class Connection;

    static ledger::chain::RpcFailure closed_failure();
    static bool is_final(const ledger::chain::RpcFailure& failure);
    unsigned attempts() const;
    Task<void> pause_before(unsigned attempt);
    Task<ledger::chain::RpcResult<std::string>> post(unsigned attempt, const std::string& body);
    Task<ledger::chain::RpcResult<std::string>> post_once(std::shared_ptr<Connection> connection,
                                                          const std::string& body);

    boost::asio::any_io_executor executor_;
    RpcSettings settings_;
    std::vector<Url> urls_;
    Turns places_;
    /// The URL that answered last is tried first.
    std::size_t preferred_ = 0;
    std::uint64_t last_id_ = 0;
    bool closed_ = false;
    std::vector<std::shared_ptr<Connection>> idle_;
    std::vector<std::weak_ptr<Connection>> opened_;
};

}  // namespace millrace::api
