#pragma once

#include "api/cli/http_client.hpp"
#include "ledger/chain/json_rpc.hpp"

#include <string>
#include <vector>

#include <boost/json.hpp>

namespace millrace::api {

/// Asks a node many things in one request (JSON-RPC 2.0, Batch), blocking.
class NodeBatch {
public:
    /// Throws CommandError for what is no URL.
    explicit NodeBatch(const std::string& url);

    /// The answers in the order of the calls: the whole response objects. Throws CommandError when
    /// there is none for each.
    std::vector<boost::json::object> ask(const std::vector<ledger::chain::RpcCall>& calls) const;
    const std::string& url() const { return url_; }

private:
    std::string url_;
    HttpUrl server_;
    std::string path_;
};

/// So many calls in a batch: what common nodes take.
inline constexpr std::size_t kCallsAtOnce = 50;

}  // namespace millrace::api
